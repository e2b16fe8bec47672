"""The packages that Shem serves to guests, as WIT of the version that a guest speaks of.

Of each package comes what is spoken of, and what that speaks of in turn: toolchains make glue for
all that they are given, and some refuse what they know in another version.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from importlib import resources
from typing import Final

from msgspec.structs import replace

from wit.text.nodes import (
    ExternNode,
    FileNode,
    FileUseNode,
    IncludeNode,
    InterfaceNode,
    Item,
    PackageNode,
    PathNode,
    UseNode,
    WorldNode,
)
from wit.text.parser import parse

__all__ = ["served_packages"]

_PACKAGE: Final = re.compile(r"^package ([a-z0-9:-]+)@(\d+\.\d+)\.\d+;", re.MULTILINE)
_MENTION: Final = re.compile(
    r"([a-z][a-z0-9-]*:[a-z][a-z0-9-]*)/([a-z0-9-]+)@(\d+\.\d+\.\d+(?:-[a-z0-9.]+)?)"
)


def served_packages(texts: Iterable[str], known: Collection[str]) -> dict[str, FileNode]:
    """Return the packages that WIT texts speak of and Shem serves, by `name@version`.

    Patch versions do not differ in what a guest can call, so any that is asked for is written; what
    a package uses of its namespace is of the same one.

    Args:
        texts: WIT; comments do not count.
        known: Packages that are there already, by `name@version`: they are left out.
    """
    waiting = [mention for text in texts for mention in _mentioned(text)]
    wanted: dict[tuple[str, str], set[str]] = {}
    while waiting:
        name, version, member = waiting.pop()
        if f"{name}@{version}" in known:
            continue
        file = _served(name, version)
        members = wanted.setdefault((name, version), set())
        if file is None or member in members:
            continue
        members.add(member)
        for path in _paths(each for each in file.items if _name(each) == member):
            package = path.package
            if package is None:
                waiting.append((name, version, path.name.text))
            elif package.version is not None:
                waiting.append((package.unversioned, package.version, path.name.text))
    found: dict[str, FileNode] = {}
    for (name, version), members in wanted.items():
        file = _served(name, version)
        if file is not None:
            kept = tuple(each for each in file.items if _name(each) in members)
            found[f"{name}@{version}"] = replace(file, items=kept)
    return found


@cache
def _served(name: str, version: str) -> FileNode | None:
    namespace = name.partition(":")[0]
    for text in _texts():
        if text.startswith(f"package {name}@{version};") or f"\npackage {name}@{version};" in text:
            return parse(text, f"{name}.wit")
        found = _PACKAGE.search(text)
        if found and found[1] == name and version.startswith(f"{found[2]}."):
            versions = re.compile(rf"({namespace}:[a-z/-]+)@{re.escape(found[2])}\.\d+(?!-)")
            return parse(versions.sub(rf"\g<1>@{version}", text), f"{name}.wit")
    return None


def _paths(items: Iterable[Item]) -> Iterator[PathNode]:
    """Yield what items speak of, of their own package and of others."""
    for item in items:
        if isinstance(item, InterfaceNode | WorldNode):
            for each in item.items:
                match each:
                    case UseNode() | IncludeNode():
                        yield each.path
                    case ExternNode(target=PathNode() as path):
                        yield path
                    case _:
                        pass


def _name(item: Item) -> str | None:
    match item:
        case InterfaceNode() | WorldNode():
            return item.name.text
        case FileUseNode() | PackageNode():
            return None


def _mentioned(text: str) -> Iterator[tuple[str, str, str]]:
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("//"))
    for found in _MENTION.finditer("\n".join(lines)):
        yield found[1], found[3], found[2]


@cache
def _texts() -> tuple[str, ...]:
    folder = resources.files("wit").joinpath("packages")
    return tuple(
        file.read_text(encoding="utf-8")
        for place in sorted(folder.iterdir(), key=str)
        for file in sorted(place.iterdir(), key=str)
        if file.name.endswith(".wit")
    )
