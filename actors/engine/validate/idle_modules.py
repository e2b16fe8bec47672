"""Core modules that nothing instantiates: they are never compiled, and valid all the same."""

from collections.abc import Iterator

import wasmtime

from actors.engine.configuration import new_engine
from wit.binary.definitions import Component, CoreModule, NestedComponent
from wit.errors import BinaryError

__all__ = ["validate_idle_modules"]


def validate_idle_modules(
    data: bytes, component: Component, compiled: frozenset[tuple[int, int]]
) -> None:
    """Validate the core modules in `data` that are not among the byte ranges `compiled`.

    Raises:
        BinaryError: one is invalid, with the place where it begins.
    """
    idle = [each for each in _modules(component) if (each.start, each.end) not in compiled]
    if not idle:
        return
    engine = new_engine()
    for module in idle:
        try:
            wasmtime.Module.validate(engine, bytearray(data[module.start : module.end]))
        except wasmtime.WasmtimeError as error:
            raise BinaryError(
                f"a core module of the component is invalid: {error}", offset=module.start
            ) from error


def _modules(component: Component) -> Iterator[CoreModule]:
    for definition in component.definitions:
        match definition:
            case CoreModule():
                yield definition
            case NestedComponent(nested):
                yield from _modules(nested)
            case _:
                pass
