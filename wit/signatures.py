"""Functions and types as people read them: signatures on one line, declarations as WIT."""

from collections.abc import Iterable

from wit.names import full_name, visible_exports
from wit.type_text import definition_text, identifier_text, type_text
from wit.type_walk import walk
from wit.types import EnumType, FlagsType, FunctionType, RecordType, Type, VariantType
from wit.world import Function, World

__all__ = ["declarations", "export_signatures", "function_type_text", "rendering", "signature"]


def signature(function: Function) -> str:
    """Return `demo:counter/api.{add}(value: u64) -> string`.

    Types stand with their declared names. A method does not show `self`: the name says on what it
    is called.
    """
    skipped = 1 if function.name.startswith("[method]") else 0
    return full_name(function) + _parameters_text(function.type, skipped)


def function_type_text(function: FunctionType) -> str:
    """Return a function type as WIT declares it: `async func(value: u64) -> string`."""
    keyword = "async func" if function.is_async else "func"
    return keyword + _parameters_text(function, 0)


def export_signatures(world: World) -> tuple[str, ...]:
    """Return the signatures of all functions that callers may name, in order."""
    return tuple(signature(function) for function in visible_exports(world))


def declarations(types: Iterable[Type]) -> tuple[str, ...]:
    """Return the WIT declarations of all named types inside the given ones, each once.

    The order is such that each declaration comes before its uses.
    """
    seen: dict[Type, str] = {}
    for type_ in types:
        for part in walk(type_):
            if (
                isinstance(part, RecordType | VariantType | EnumType | FlagsType)
                and part.name is not None
                and part not in seen
            ):
                seen[part] = definition_text(part, "\n  ")
    return tuple(seen.values())


def rendering(type_: Type) -> str:
    """Return a type in full: the declarations that it needs, then the type itself."""
    named = declarations([type_])
    reference = type_text(type_)
    if named and definition_text(type_, "\n  ") == named[-1]:
        return "\n\n".join(named)
    return "\n\n".join([*named, reference])


def _parameters_text(function: FunctionType, skipped: int) -> str:
    parameters = ", ".join(
        f"{identifier_text(parameter.name)}: {type_text(parameter.type)}"
        for parameter in function.parameters[skipped:]
    )
    result = "" if function.result is None else f" -> {type_text(function.result)}"
    return f"({parameters}){result}"
