"""Which functions of a component only read: declared at upload, by any name that callers use."""

from collections.abc import Collection, Sequence

from actors.engine.errors import ComponentError
from wit.errors import UnknownFunctionError
from wit.names import FunctionName, full_name, parse_name, resolve
from wit.type_walk import walk
from wit.types import Own
from wit.world import Function, World

__all__ = ["declares", "resolved"]


def resolved(world: World, names: Sequence[str], *, kind: str) -> tuple[str, ...]:
    """Return the full names of the functions that are declared, sorted.

    Raises:
        ComponentError: there is none of that name, or it is of a kind that cannot only read.
    """
    if names and kind == "ephemeral":
        raise ComponentError(
            f"read-only {names[0]}: ephemeral workers have no state that could be read"
        )
    found: set[str] = set()
    for name in names:
        try:
            function = _resolved(world, name)
        except UnknownFunctionError as error:
            raise ComponentError(f"read-only {name}: {error}") from error
        if _moves_resources(function):
            raise ComponentError(
                f"read-only {name}: {full_name(function)} gives or takes a resource, which is a "
                "change; expected a function of values, or a method"
            )
        found.add(full_name(function))
    return tuple(sorted(found))


def declares(declared: Collection[str], function: str) -> bool:
    """Whether a function is among those declared; a name without an interface never is."""
    if not declared:
        return False
    wanted = _versionless(parse_name(function))
    return any(_versionless(parse_name(name)) == wanted for name in declared)


def _resolved(world: World, name: str) -> Function:
    try:
        return resolve(world, name)
    except UnknownFunctionError:
        # `api.get` reads like a method of a resource; of an interface it is `api/get`.
        interface, found, function = name.rpartition(".")
        if not found:
            raise
        try:
            return resolve(world, f"{interface}/{function}")
        except UnknownFunctionError:
            pass
        raise


def _moves_resources(function: Function) -> bool:
    types = [parameter.type for parameter in function.type.parameters]
    if function.type.result is not None:
        types.append(function.type.result)
    return any(isinstance(part, Own) for type_ in types for part in walk(type_))


def _versionless(name: FunctionName) -> FunctionName:
    interface = name.interface
    return FunctionName(name.function, interface and interface.partition("@")[0])
