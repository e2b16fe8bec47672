"""Bindings that are generated for languages whose toolchains bring none."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from shem.errors import BuildError
from wit.bindings.c import c_bindings
from wit.bindings.typescript import typescript_bindings
from wit.bindings.zig import zig_bindings
from wit.errors import WitError
from wit.text.folder import load
from wit.world import World

__all__ = ["write_c", "write_typescript"]

_NOTE: Final = "Made by `shem app build` from the WIT of "


def write_c(folder: Path, wit: Path, component: str, *, every: Collection[str]) -> None:
    """Write header and source of bindings for C, and what Zig calls them by.

    Args:
        folder: Where they go.
        wit: What the component is built from.
        component: Its name; of `demo:web-shop` come `web_shop.h`, `.c` and `.zig`.
        every: All components of the app: bindings of those that are gone are removed.

    Raises:
        BuildError: the WIT is wrong, has not exactly one world, or what C bindings do not know.
    """
    name = _c_name(component)
    try:
        world = _world(wit)
        bindings = c_bindings(world, name)
        declarations = zig_bindings(world, name)
    except WitError as error:
        raise BuildError(f"{wit}: {error}") from error
    texts = {".h": bindings.header, ".c": bindings.source, ".zig": declarations}
    _write(folder, {f"{name}{suffix}": text for suffix, text in texts.items()})
    _remove_others(folder, {name, *map(_c_name, every)}, texts)


def write_typescript(folder: Path, wit: Path) -> None:
    """Write declarations for TypeScript, `world.d.ts`.

    Raises:
        BuildError: as for `write_c`.
    """
    try:
        text = typescript_bindings(_world(wit))
    except WitError as error:
        raise BuildError(f"{wit}: {error}") from error
    _write(folder, {"world.d.ts": text})


def _c_name(component: str) -> str:
    return component.partition(":")[2].replace("-", "_")


def _remove_others(folder: Path, names: Collection[str], suffixes: Collection[str]) -> None:
    # A renamed component would go on with the header of its old name, until somebody builds it from
    # nothing. What is no binding, or that of another component, is left alone.
    for path in folder.iterdir():
        if path.suffix in suffixes and path.stem not in names and path.is_file():
            with path.open(encoding="utf-8", errors="replace") as file:
                is_made = _NOTE in file.readline()
            if is_made:
                path.unlink()


def _world(wit: Path) -> World:
    packages = load(wit)
    world = packages.world()
    if world is None:
        raise BuildError(f"expected one world in {packages.main} to make bindings for")
    return world


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        path = folder / name
        # What is equal keeps its time of change: tools look at that.
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
