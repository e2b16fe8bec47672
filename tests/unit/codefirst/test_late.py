"""Modules that functions import are imported by the build, since nothing can be imported later."""

import subprocess
import sys
from pathlib import Path

import pytest

from shem.codefirst.late import late_imports

CART = """
import json
from typing import TYPE_CHECKING

from shem_component import component
from parts import early

if TYPE_CHECKING:
    import checked

@component
class Cart:
    def total(self) -> int:
        import datetime
        from decimal import Decimal
        return later()

    class Inner:
        async def deep(self) -> int:
            def deeper() -> None:
                import zoneinfo as zones
            return 1

def later() -> int:
    from parts.late import price
    return price()
"""


def write(folder: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    texts = {
        "cart.py": CART,
        "parts/__init__.py": "",
        "parts/early.py": "def f():\n    from . import sibling\n    from .late import price\n",
        "parts/late.py": "def price():\n    import csv\n    from parts import late\n    return 3\n",
        "parts/sibling.py": "def g():\n    import uuid\n    from .. import cart\n",
        "parts/unused.py": "def h():\n    import wave\n",
        "broken.py": "def (",
    }
    return write(tmp_path / "src", texts)


def test_imports_of_functions_are_found_through_modules_that_are_imported(source: Path) -> None:
    files = [source / "cart.py", source / "parts/early.py"]
    assert late_imports(source, files) == [
        *("cart", "csv", "datetime", "decimal", "decimal.Decimal", "parts", "parts.late"),
        *("parts.late.price", "parts.sibling", "uuid", "zoneinfo"),
    ]
    assert late_imports(source, [source / "broken.py"]) == []


def test_the_entry_module_imports_what_there_is(source: Path, tmp_path: Path) -> None:
    built = tmp_path / "built"
    command = [sys.executable, "-m", "shem.codefirst", str(source / "cart.py")]
    options = ["--package", "demo:cart", "--wit", str(tmp_path / "wit"), "--entry", str(built)]
    subprocess.run([*command, *options], check=True, cwd=Path(__file__).parents[3])
    write(
        tmp_path / "guest",
        {
            "shem_bridge.py": "class Bridge:\n    def __init__(self, *_): pass\n",
            "shem_component.py": "def component(cls): return cls\n",
            "wit_world/__init__.py": "",
            "wit_world/exports/__init__.py": "from . import api\nApi = object\n",
            "wit_world/exports/api.py": "",
        },
    )
    told = subprocess.run(
        [sys.executable, "-c", "import sys, app; print(*sys.modules, sep='\\n')"],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{built}:{source}:{tmp_path / 'guest'}"},
    )
    loaded = set(told.stdout.split())
    assert {"datetime", "decimal", "zoneinfo", "csv", "uuid", "parts.late"} <= loaded
    assert loaded.isdisjoint({"wave", "checked", "parts.unused"})
