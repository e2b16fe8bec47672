"""Function names: which export a person means, and what an export is called in full.

| form | example |
|---|---|
| short | `add`, `cart.add`, `cart.new` |
| qualified by interface | `api/add`, `api.{add}` |
| full, with or without version | `demo:counter/api.{add}`, `demo:counter/api@1.0.0.{add}` |
| world level | `{add}` |
| raw | `[method]cart.add`, `demo:shop/api#[constructor]cart` |

Owns what is hidden: exports that guest toolchains add for themselves.

Source: component-model specification, Explainer.md, "Import and Export Definitions"; the short
forms are those of Golem 1.2.
"""

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

from wit.errors import UnknownFunctionError
from wit.limits import SUGGESTIONS_MAX
from wit.misfit import near_matches, shown
from wit.world import Function, Interface, World

__all__ = [
    "FunctionName",
    "answers_to",
    "base_name",
    "full_name",
    "is_hidden_function",
    "is_hidden_interface",
    "parse_name",
    "resolve",
    "visible_exports",
]

_RAW: Final = re.compile(r"\[(constructor|method|static)\](.+)")
_BRACES: Final = re.compile(r"(?:(?P<interface>.+)\.)?\{(?P<function>.+)\}")

# Exports with which toolchains steer their own runtime. No WIT name begins with an underscore.
_HIDDEN_FUNCTION: Final = re.compile(r"_.*|cabi_.*|canonical_abi_.*|cm32p2.*|memory")


class FunctionName(Struct, frozen=True):
    """A name taken apart. `interface` None means any; an empty one means the world itself."""

    function: str
    interface: str | None = None


def parse_name(name: str) -> FunctionName:
    """Return the parts of a function name in any of its forms; never fails."""
    name = name.strip().replace("%", "")
    braces = _BRACES.fullmatch(name)
    if braces is not None:
        return FunctionName(braces["function"].strip(), (braces["interface"] or "").strip())
    for separator in "#/":
        interface, found, function = name.rpartition(separator)
        if found:
            return FunctionName(function.strip(), interface.strip())
    return FunctionName(name)


def base_name(function: Function) -> str:
    """Return the name without its interface: `add`, `cart.add`, `cart.new` for a constructor."""
    raw = _RAW.fullmatch(function.name)
    if raw is None:
        return function.name
    return f"{raw[2]}.new" if raw[1] == "constructor" else raw[2]


def full_name(function: Function) -> str:
    """Return the one name that the system shows: `demo:counter/api@1.0.0.{add}`, `{add}`."""
    prefix = "" if function.interface is None else f"{function.interface}."
    return f"{prefix}{{{base_name(function)}}}"


def is_hidden_function(name: str) -> bool:
    """Return whether an export is no function of the component's interface."""
    return _HIDDEN_FUNCTION.fullmatch(name) is not None


def is_hidden_interface(interface: Interface) -> bool:
    """Return whether an instance is machinery: componentize-py exports one to start Python."""
    names = {function.name for function in interface.functions}
    return interface.name == "exports" and names <= {"init"}


def visible_exports(world: World) -> tuple[Function, ...]:
    """Return the exported functions that callers may name: of interfaces, then of the world."""
    return tuple(
        function
        for interface in world.export_interfaces
        if not is_hidden_interface(interface)
        for function in interface.functions
        if not is_hidden_function(function.name)
    ) + tuple(
        function for function in world.export_functions if not is_hidden_function(function.name)
    )


def answers_to(full: str, name: str) -> bool:
    """Return whether the function that is called `full` in full may be meant by `name`."""
    ours, wanted = parse_name(full), parse_name(name)
    raw = _RAW.fullmatch(wanted.function)
    function = wanted.function if raw is None else raw[2]
    return ours.function == function and _in_interface(ours.interface, wanted.interface)


def resolve(world: World, name: str) -> Function:
    """Return the export that a name means.

    Raises:
        UnknownFunctionError: none, with near matches, or several, with all of them as candidates.
    """
    wanted = parse_name(name)
    index = _index(world)
    found = [
        function
        for function in index.get(wanted.function, ())
        if _in_interface(function.interface, wanted.interface)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        candidates = tuple(full_name(function) for function in found)
        message = f"{name} is ambiguous: it may be {_listed(candidates)}"
        raise UnknownFunctionError(message, candidates=candidates)
    raise _unknown(name, wanted, visible_exports(world))


@lru_cache(maxsize=256)
def _index(world: World) -> dict[str, tuple[Function, ...]]:
    index: dict[str, tuple[Function, ...]] = {}
    for function in visible_exports(world):
        for key in {function.name, base_name(function)}:
            index[key] = (*index.get(key, ()), function)
    return index


def _in_interface(interface: str | None, wanted: str | None) -> bool:
    """Return whether an interface answers to a full, versionless or short name."""
    if wanted is None:
        return True
    if interface is None or not wanted:
        return not wanted and interface is None
    unversioned = interface.partition("@")[0]
    if wanted in {interface, unversioned}:
        return True
    # `api` and `shop/api` both name `demo:shop/api`.
    tails = (f"/{wanted}", f":{wanted}")
    return interface.endswith(tails) or unversioned.endswith(tails)


def _unknown(
    name: str, wanted: FunctionName, exports: tuple[Function, ...]
) -> UnknownFunctionError:
    if not exports:
        return UnknownFunctionError(f"no function {shown(name)}: the component exports none")
    # The same function elsewhere is nearer than a look-alike of the whole name.
    elsewhere = [f for f in exports if wanted.function in {f.name, base_name(f)}]
    near = elsewhere or [
        f
        for base in near_matches(wanted.function, dict.fromkeys(map(base_name, exports)))
        for f in exports
        if base_name(f) == base
    ]
    if near:
        candidates = tuple(full_name(function) for function in near)
        message = f"no function {shown(name)}, did you mean {_listed(candidates)}?"
    else:
        candidates = tuple(full_name(function) for function in exports)
        message = f"no function {shown(name)}, the component exports {_listed(candidates)}"
    return UnknownFunctionError(message, candidates=candidates)


def _listed(candidates: tuple[str, ...]) -> str:
    more = len(candidates) - SUGGESTIONS_MAX
    return ", ".join(candidates[:SUGGESTIONS_MAX]) + (f" and {more} more" if more > 0 else "")
