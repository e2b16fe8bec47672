"""What is generated for components that are Python classes: their WIT, and clients of others."""

import asyncio
import sys
from pathlib import Path

from shem.build.wit_sources import clients_of
from shem.codefirst.client import client_module, module_name
from shem.errors import BuildError
from shem.manifest.application import AppComponent, Application

__all__ = ["make_wit", "write_clients"]

_PACKAGE = "shem_clients"


async def make_wit(source: Path, package: str, *, wit: Path, entry: Path) -> None:
    """Make WIT and entry modules of a component, in a process of its own: it runs users' code.

    Raises:
        BuildError: with what is wrong with the module.
    """
    command = ["-m", "shem.codefirst", str(source), "--package", package]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(*command, "--wit", str(wit), "--entry", str(entry)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise BuildError(f"{package}: {output.decode(errors='replace').strip()}")


def write_clients(folder: Path, component: AppComponent, app: Application) -> None:
    """Write a module with typed clients for each component that this one calls.

    Those of components that are gone are removed.

    Raises:
        BuildError: the WIT of one of them is missing or wrong.
    """
    package = folder / _PACKAGE
    texts = {
        f"{module_name(each.component)}.py": client_module(each)
        for each in clients_of(component, app)
    }
    known = {f"{module_name(each)}.py" for each in app.components}
    for old in package.glob("*.py"):
        if old.name not in {"__init__.py", *known}:
            old.unlink()
    if not texts:
        return
    package.mkdir(parents=True, exist_ok=True)
    for name, text in {"__init__.py": "", **texts}.items():
        path = package / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
