"""The same package twice, and not the same: then callers and called would mean different things.

Copies of packages lie in the folders of several components. One may have less than the other, as
people cut down what they copy; what both have must be equal but for documentation.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from wit.text.nodes import FileNode, InterfaceNode, UseNode

__all__ = ["Definitions", "conflict", "definitions_of"]

# Interface and name, with what it says.
Definitions = Mapping[tuple[str, str], object]

_SAYS_NOTHING: Final = frozenset({"attributes", "docs", "offset"})


def definitions_of(files: Sequence[FileNode]) -> Definitions:
    """Return the types and functions of a package."""
    return {
        (interface.name.text, item.name.text): _meaning(msgspec.to_builtins(item))
        for file in files
        for interface in file.items
        if isinstance(interface, InterfaceNode)
        for item in interface.items
        if not isinstance(item, UseNode)
    }


def conflict(one: Definitions, other: Definitions) -> str | None:
    """Return the first `interface.{name}` that both have and mean differently, None if none."""
    for name, said in one.items():
        if name in other and other[name] != said:
            return f"{name[0]}.{{{name[1]}}}"
    return None


def _meaning(value: Any) -> Any:
    """Return plain values without what says nothing about meaning."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return {name: _meaning(each) for name, each in fields.items() if name not in _SAYS_NOTHING}
    return [_meaning(each) for each in _items(value)] if isinstance(value, list) else value


def _items(value: Any) -> list[Any]:
    # The two type checkers disagree on what isinstance() makes of Any.
    return cast("list[Any]", value)
