"""Core reference types as text, so that types are equal where their texts are.

What a module defines is named by an index there. A function type takes the place of its index; the
others stay open: wasmtime compares them when it links.
"""

from collections.abc import Callable
from typing import Final

from actors.engine.core.module import FunctionSignature

__all__ = ["is_open", "resolved"]

_SPELLED_MAX: Final = 2_000
_INDEXED: Final = "ref "
"""How a reference begins whose index has not been looked up, or cannot be."""


def is_open(*types: str) -> bool:
    """Return whether one of the types cannot be compared."""
    return any(each.startswith(_INDEXED) for each in types)


def resolved(type_: str, lookup: Callable[[int], FunctionSignature | None]) -> str:
    """Return a value type with the function type in the place of its index, if it is one."""
    if not is_open(type_):
        return type_
    inner = type_.removeprefix(_INDEXED)
    nullable = "null " if inner.startswith("null ") else ""
    found = lookup(int(inner.removeprefix("null ")))
    if found is None or is_open(*found.parameters, *found.results):
        return type_
    spelled = f"(ref {nullable}{found})"
    # Function types of function types would double with each level.
    return spelled if len(spelled) <= _SPELLED_MAX else type_
