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

from wit.binary.core_fit import check_exports, core_export_name
from wit.binary.core_module import read_core_module, with_unique_imports
from wit.binary.definitions import StringEncoding
from wit.binary.wrapping import Adapter, Wrapping
from wit.world import World

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
    check_exports(boundary, world)
    wrapping = Wrapping(core, boundary, world, string_encoding, adapter)
    wrapping.import_world()
    wrapping.link_core()
    wrapping.export_world()
    return wrapping.finish()
