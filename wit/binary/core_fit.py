"""Whether functions of a core module have the types by which a world's functions are passed.

Said here with the function's name: a validator only knows where in the file it stands.
"""

from wit.binary.core_module import CoreModuleBoundary, ImportedFunction
from wit.bindings.flattening import FLAT_PARAMETERS_MAX, FLAT_RESULTS_MAX, flat, flat_all
from wit.errors import WitError
from wit.signatures import signature
from wit.world import Function, World

__all__ = ["check_exports", "check_import", "core_export_name"]


def core_export_name(function: Function) -> str:
    """Return the name under which a core module exports a function."""
    return function.name if function.interface is None else f"{function.interface}#{function.name}"


def check_exports(boundary: CoreModuleBoundary, world: World) -> None:
    """Check that a core module exports what a world does.

    Raises:
        WitError: functions are missing, or one has another type.
    """
    functions = [*world.export_functions]
    functions += [each for interface in world.export_interfaces for each in interface.functions]
    missing = [name for name in map(core_export_name, functions) if name not in boundary.exports]
    if missing:
        raise WitError(
            f"the core module does not export {', '.join(map(repr, missing))}; it exports "
            f"{', '.join(map(repr, sorted(boundary.exports))) or 'nothing'}"
        )
    if any(each.type.is_async for each in functions):
        raise WitError("functions that are async cannot be exported by a core module here")
    for each in functions:
        name = core_export_name(each)
        found, expected = boundary.exports[name], _expected(each, is_import=False)
        if found is None:
            raise WitError(f"the core module's export {name!r} is no function")
        if (found.parameters, found.results) != expected:
            raise WitError(
                f"the core module exports {name!r} as {found}, expected {_text(*expected)} for "
                f"{signature(each)}"
            )


def check_import(imported: ImportedFunction, function: Function) -> None:
    """Check that a core module imports a function as a world does.

    Raises:
        WitError: its type is another one.
    """
    found, expected = imported.signature, _expected(function, is_import=True)
    if (found.parameters, found.results) != expected:
        raise WitError(
            f"the core module imports {imported.plain_name!r} of {imported.module!r} as {found}, "
            f"expected {_text(*expected)} for {signature(function)}"
        )


def _expected(function: Function, *, is_import: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    parameters = flat_all(each.type for each in function.type.parameters)
    results = () if function.type.result is None else flat(function.type.result)
    if len(parameters) > FLAT_PARAMETERS_MAX:
        parameters = ("i32",)
    if len(results) > FLAT_RESULTS_MAX:
        # In memory: who is called is told where, who calls says where.
        return ((*parameters, "i32"), ()) if is_import else (parameters, ("i32",))
    return parameters, results


def _text(parameters: tuple[str, ...], results: tuple[str, ...]) -> str:
    return f"({', '.join(parameters)}) -> ({', '.join(results)})"
