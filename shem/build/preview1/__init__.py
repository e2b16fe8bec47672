"""WASI preview 1 for core modules that were compiled for it: which adapter, importing what.

`adapter.wit` says what the adapters import, `make.py` compiles them.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Final

from msgspec.structs import replace

from wit.binary.core_module import read_core_module
from wit.binary.writer import Adapter
from wit.text.nodes import FileNode
from wit.text.parser import parse
from wit.text.resolver import resolve
from wit.world import World

__all__ = ["adapter_for", "adapter_world"]

MODULE: Final = "wasi_snapshot_preview1"
_KINDS: Final = ("small", "full")
_VERSION: Final = "0.2.0"


def adapter_for(core: bytes, world: World) -> Adapter | None:
    """Return what a core module needs to become a component of the world, None if it is nothing.

    The adapter speaks of the version of WASI that the world speaks of, so that both share it.
    """
    wanted = {each.name for each in read_core_module(core).functions if each.module == MODULE}
    if not wanted:
        return None
    adapters = {kind: _file(f"{kind}.wasm") for kind in _KINDS}
    enough = (each for each in _KINDS if wanted.issubset(read_core_module(adapters[each]).exports))
    kind = next(enough, _KINDS[-1])
    adapter = adapters[kind]
    boundary = read_core_module(adapter)
    imported = {(each.module.partition("@")[0], each.name) for each in boundary.functions}
    every = adapter_world(kind, _version_of(world))
    interfaces = tuple(
        replace(
            interface,
            functions=tuple(
                each
                for each in interface.functions
                if (interface.name.partition("@")[0], each.name) in imported
            ),
        )
        for interface in every.import_interfaces
    )
    return Adapter(adapter, replace(every, import_interfaces=interfaces), MODULE)


@cache
def adapter_world(kind: str, version: str = _VERSION) -> World:
    """Return what an adapter imports, of a version of WASI 0.2."""
    packages = resources.files("wit").joinpath("packages", "wasi")
    texts = [
        each.read_text(encoding="utf-8")
        for each in sorted(packages.iterdir(), key=str)
        if each.name in _PACKAGES
    ]
    texts.append(_file("adapter.wit").decode())
    files: list[Sequence[FileNode]] = [
        [parse(re.sub(r"(wasi:[a-z/-]+)@0\.2\.\d+(?!-)", rf"\g<1>@{version}", each))]
        for each in texts
    ]
    world = resolve(files).world(f"shem:preview1/{kind}")
    assert world is not None, "the worlds are those of the file"
    return world


_PACKAGES: Final = (
    "cli.wit",
    "clocks.wit",
    "filesystem.wit",
    "io.wit",
    "random.wit",
    "sockets.wit",
)


def _version_of(world: World) -> str:
    for interface in world.import_interfaces:
        found = re.fullmatch(
            r"wasi:(?:io|clocks|cli|filesystem|random|http)/.+@(0\.2\.\d+)", interface.name
        )
        if found:
            return found[1]
    return _VERSION


def _file(name: str) -> bytes:
    return resources.files(__name__).joinpath(name).read_bytes()
