"""Wraps a core module into a component.

The module follows the naming rules of the canonical ABI, as bindings for C, Zig and Rust do:

| core export | what it is |
|---|---|
| `demo:counter/api#add`, `add` | an exported function of an interface, or of the world |
| `cabi_post_demo:counter/api#add` | called after the result of that function was read |
| `demo:counter/api#[dtor]cart` | destructor of an exported resource |
| `memory`, `cabi_realloc` | where values lie, and how space for them is made |
| `_initialize` | called once, before anything else |

Imported functions have the interface as module name, `$root` for the world; `[resource-drop]cart`
drops a handle, and `[export]demo:counter/api` with `[resource-new]cart`, `[resource-rep]cart` and
`[resource-drop]cart` handles the resources that the module exports.

Modules that import WASI preview 1 need an adapter: another core module, which is put beside them.

Source: component-model specification, CanonicalABI.md, and the naming rules of wit-component.
"""

from wit.binary.core_module import CoreModuleBoundary, read_core_module, with_unique_imports
from wit.binary.definitions import StringEncoding
from wit.binary.wrapping import Adapter, Wrapping
from wit.errors import WitError
from wit.world import Function, World

__all__ = ["Adapter", "componentize", "core_export_name"]


def componentize(
    core: bytes,
    world: World,
    *,
    string_encoding: StringEncoding = StringEncoding.UTF8,
    adapter: Adapter | None = None,
) -> bytes:
    """Return a component that implements the world by the core module.

    With an `adapter` it imports what that needs, too.

    Raises:
        BinaryError: the module is malformed, or imports what is no function.
        WitError: the module does not fit the world; says what is missing and what it has instead.
    """
    core = with_unique_imports(core)
    boundary = read_core_module(core)
    _check_exports(boundary, world)
    wrapping = Wrapping(core, boundary, world, string_encoding, adapter)
    wrapping.import_world()
    wrapping.link_core()
    wrapping.export_world()
    return wrapping.finish()


def core_export_name(function: Function) -> str:
    """Return the name under which a core module exports a function."""
    return function.name if function.interface is None else f"{function.interface}#{function.name}"


def _check_exports(boundary: CoreModuleBoundary, world: World) -> None:
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
