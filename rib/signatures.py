"""The functions of the language, with their types.

Each is a method of its receiver, `xs.length()`, and a function, `length(xs)`. Methods of workers
and resources are never looked up here, and a constructor of a component hides a function, so that
nothing here can take a name away from a component.

In signatures `T` and `E` are any type, `N` any number, `O` anything with an order.
"""

import re
from functools import cache
from typing import Final

from msgspec import Struct

from rib.literals import LiteralParser
from rib.syntax import TypeText

__all__ = ["Signature", "signatures"]

_TABLE: Final = """
string.length() -> u64
string.is-empty() -> bool
string.contains(string) -> bool
string.starts-with(string) -> bool
string.ends-with(string) -> bool
string.trim() -> string
string.to-upper() -> string
string.to-lower() -> string
string.replace(string, string) -> string
string.split(string) -> list<string>
string.repeat(u64) -> string
string.slice(u64, u64) -> string
string.chars() -> list<char>
string.parse-json() -> result<T, string>
list<T>.length() -> u64
list<T>.is-empty() -> bool
list<T>.contains(T) -> bool
list<T>.first() -> option<T>
list<T>.last() -> option<T>
list<T>.get(u64) -> option<T>
list<T>.reverse() -> list<T>
list<T>.concat(list<T>) -> list<T>
list<T>.distinct() -> list<T>
list<O>.sort() -> list<O>
list<O>.min() -> option<O>
list<O>.max() -> option<O>
list<N>.sum() -> N
list<string>.join(string) -> string
option<T>.is-some() -> bool
option<T>.is-none() -> bool
option<T>.unwrap-or(T) -> T
option<T>.ok-or(E) -> result<T, E>
result<T, E>.is-ok() -> bool
result<T, E>.is-err() -> bool
result<T, E>.unwrap-or(T) -> T
result<T, E>.to-option() -> option<T>
N.abs() -> N
N.min(N) -> N
N.max(N) -> N
T.to-string() -> string
T.to-json() -> string
"""
_NUMBERS: Final = ("u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "f32", "f64")
_LINE: Final = re.compile(
    r"(?P<receiver>.+?)\.(?P<name>[a-z0-9-]+)\((?P<rest>.*)\) -> (?P<result>.+)"
)


class Signature(Struct, frozen=True):
    """One function. `key` names it among those of other receivers: `list.length`."""

    key: str
    name: str
    receiver: TypeText
    parameters: tuple[TypeText, ...]
    result: TypeText


@cache
def signatures() -> dict[str, tuple[Signature, ...]]:
    """Return the functions by name; several with one name differ in their receivers."""
    found: dict[str, tuple[Signature, ...]] = {}
    conversions = [f"N.to-{name}() -> {name}" for name in _NUMBERS]
    readings = [f"string.to-{name}() -> option<{name}>" for name in _NUMBERS]
    for line in [*_TABLE.strip().splitlines(), *conversions, *readings]:
        signature = _signature(line)
        found[signature.name] = (*found.get(signature.name, ()), signature)
    return found


def _signature(line: str) -> Signature:
    parts = _LINE.fullmatch(line)
    assert parts is not None, line
    receiver = _type(parts["receiver"])
    parameters = _type(f"tuple<{parts['rest']}>").arguments if parts["rest"] else ()
    key = f"{receiver.name}.{parts['name']}"
    return Signature(key, parts["name"], receiver, parameters, _type(parts["result"]))


def _type(text: str) -> TypeText:
    return LiteralParser(text).type()
