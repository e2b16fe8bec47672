"""What a program relies on in components, and whether other versions of them still offer it."""

from collections.abc import Mapping

from rib.catalog import FunctionUse
from rib.program import Program
from wit.names import full_name
from wit.subtype import same_function
from wit.world import World

__all__ = ["broken_by"]


def broken_by(program: Program, components: Mapping[str, World]) -> tuple[str, ...]:
    """Return why a compiled program could not run against components, one line for each function.

    Components that the program does not use need not be given; functions are compared by their
    full types, names of declared types aside.
    """
    return tuple(filter(None, (_fault(use, components) for use in program.functions)))


def _fault(use: FunctionUse, components: Mapping[str, World]) -> str:
    name = f"{use.component}: {full_name(use.function)}"
    world = components.get(use.component)
    if world is None:
        return f"{name}: there is no such component"
    exported = [*world.export_functions]
    for interface in world.export_interfaces:
        exported += interface.functions
    for function in exported:
        if (function.interface, function.name) == (use.function.interface, use.function.name):
            if same_function(function.type, use.function.type):
                return ""
            return f"{name}: the function has another type"
    return f"{name}: the function is gone"
