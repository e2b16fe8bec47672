"""How a guest in C is built that imports WASI 0.2 itself, over our bindings."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from wit.binary.writer import componentize
from wit.bindings.c import c_bindings
from wit.text.parser import parse
from wit.text.resolver import ALL_FEATURES, resolve

__all__ = ["Recipe", "c_conforming", "c_on_wasi"]

Recipe: TypeAlias = Callable[[Path], bytes]

_BUILD_TIME_S_MAX: Final = 300
_WASI: Final = Path(__file__).parents[2] / "wit" / "packages" / "wasi"
_VERSION: Final = "0.2.9"
_FLAGS: Final = (
    "--target=wasm32-freestanding",
    "-std=c11",
    "-Os",
    "-nostdlib",
    "-Wall",
    "-Werror",
    "-s",
    "-Wl,--no-entry",
)


def c_on_wasi(source: Path, wit: Path) -> Recipe:
    """C whose world, in the WIT file `wit`, imports interfaces of WASI 0.2."""
    return _c_with_world(source, wit.read_text)


def c_conforming(source: Path, *, imports: Sequence[str], exports: Sequence[str] = ()) -> Recipe:
    """C that calls the functions of some interfaces, and says part by part what came of it.

    It exports `call` of `demo:conform/api`, and `exports`.
    """
    uses = [*(f"import {each};" for each in imports), *(f"export {each};" for each in exports)]
    world = f"world conform {{ {' '.join(uses)} export api; }}"
    api = "interface api { call: func(part: string) -> list<string>; }"
    return _c_with_world(source, lambda: f"package demo:conform; {api} {world}")


def _c_with_world(source: Path, wit: Callable[[], str]) -> Recipe:
    def make(scratch: Path) -> bytes:
        # Packages name compatible versions of each other; here all are one.
        texts = [
            re.sub(r"(wasi:[a-z/-]+)@0\.2\.\d+(?!-)", rf"\g<1>@{_VERSION}", each.read_text())
            for each in sorted(_WASI.glob("*.wit"))
        ]
        own = parse(wit())
        assert own.package is not None, "a guest's WIT has a package"
        package = own.package
        name = package.name.replace("-", "_")
        found = resolve([[own], *([parse(each)] for each in texts)], features=ALL_FEATURES)
        world = found.world(f"{package.namespace}:{package.name}/{package.name}")
        assert world is not None, "its world has the name of the package"
        made = c_bindings(world, name)
        (scratch / f"{name}.h").write_text(made.header)
        (scratch / f"{name}.c").write_text(made.source)
        core = scratch / "core.wasm"
        sources = [f"-I{scratch}", f"-I{source.parent}", str(source), str(scratch / f"{name}.c")]
        done = subprocess.run(
            [sys.executable, "-m", "ziglang", "cc", *_FLAGS, *sources, "-o", str(core)],
            env=os.environ | {"ZIG_GLOBAL_CACHE_DIR": str(scratch.parent / "zig")},
            capture_output=True,
            text=True,
            timeout=_BUILD_TIME_S_MAX,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"zig cc ended with {done.returncode}:\n{done.stderr}")
        return componentize(core.read_bytes(), world)

    return make
