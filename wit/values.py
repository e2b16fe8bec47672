"""How component values look in Python. The type is always known beside the value.

| WIT type | Python value |
|---|---|
| bool, integers, floats | `bool`, `int`, `float` |
| char, string | `str` (char: exactly one character) |
| list<u8> | `bytes` |
| list<T>, list<T, N> | `list` |
| map<K, V> | `dict` |
| tuple | `tuple` |
| record | `dict` from field name to value |
| variant | `(case, payload)`, payload None where the case has none |
| enum | `str` |
| flags | `frozenset[str]` |
| option | `None`, or the 1-tuple `(payload,)` |
| result | `("ok", payload)` or `("err", payload)` |
| own, borrow | the host's object |

Names are WIT names, with dashes. One shape for each type, whatever its payloads are: a reader never
has to guess whether an option was nested, and generated adapters stay branch-free.

Source: component-model specification, Explainer.md, "Type Definitions".
"""

from typing import Any, TypeAlias

__all__ = ["Value", "err", "ok", "some"]

# A value is only meaningful beside its type, so a union of all shapes would narrow nothing.
Value: TypeAlias = Any


def some(payload: Value) -> tuple[Value]:
    """Return the present option."""
    return (payload,)


def ok(payload: Value = None) -> tuple[str, Value]:
    """Return the successful result."""
    return ("ok", payload)


def err(payload: Value = None) -> tuple[str, Value]:
    """Return the failed result."""
    return ("err", payload)
