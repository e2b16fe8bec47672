"""The nested component that gives the functions and types of an exported interface their names.

Functions like `[method]cart.add` may stand only where their resource has a name already, and a
plain bundle of exports gives none. So types and functions are passed through a component that
exports the types first and shows the functions as using these.
"""

from wit.binary.builder import ComponentBuilder
from wit.binary.encode_types import TypeEncoder
from wit.binary.encode_world import NAMED, declared_types, exported_resources
from wit.binary.sorts import Sort
from wit.type_walk import parts_of, walk
from wit.world import Interface

__all__ = ["naming_component"]


def naming_component(interface: Interface) -> bytes:
    """Return a component that imports everything an interface consists of and exports it by name.

    Imports are `import-type-NAME` for its resources and types, and `import-func-N` for its
    functions by position.
    """
    builder = ComponentBuilder()
    imported, exported = TypeEncoder(builder.type), TypeEncoder(builder.type)
    resources, types = exported_resources(interface), declared_types(interface)
    resource_indices: list[int] = []
    for name, resource in resources.items():
        index = builder.import_(f"import-type-{name}", Sort.TYPE, None)
        imported.bind_resource(resource, index)
        resource_indices.append(index)
    type_indices: list[int] = []
    for each in types:
        bound = imported.index(each.type)
        index = builder.import_(f"import-type-{each.name}", Sort.TYPE, bound)
        imported.bind(each.type, index)
        type_indices.append(index)
    for position, function in enumerate(interface.functions):
        type_ = imported.function(function.type)
        builder.import_(f"import-func-{position}", Sort.FUNCTION, type_)

    for (name, resource), index in zip(resources.items(), resource_indices, strict=True):
        exported.bind_resource(resource, builder.export(name, Sort.TYPE, index))
    for each, index in zip(types, type_indices, strict=True):
        # A type made of named ones is shown as made of those that are exported.
        nested = any(
            isinstance(part, NAMED) for inner in parts_of(each.type) for part in walk(inner)
        )
        described = exported.index(each.type) if nested else None
        shown = builder.export(each.name, Sort.TYPE, index, described=described)
        exported.bind(each.type, shown)
    for position, function in enumerate(interface.functions):
        described = exported.function(function.type)
        builder.export(function.name, Sort.FUNCTION, position, described=described)
    return builder.finish()
