"""What a component imports and exports, read from its bytes.

Types get the names under which the component declares them. A binary keeps a declared name where a
type is imported or exported only, so the first interface that exports an unnamed type names it.

Source: component-model specification, Explainer.md, "Import and Export Definitions".
"""

from collections.abc import Mapping

from msgspec.structs import replace

from wit.binary import Component, Sort, parse
from wit.binary.entities import (
    ComponentClosure,
    Exported,
    Instance,
    Opaque,
    Resource,
    TypeClosure,
)
from wit.binary.renaming import Renaming
from wit.binary.resolve import Resolution, resolve
from wit.types import FunctionType, ResourceName
from wit.world import Function, Interface, NamedType, World

__all__ = ["describe", "world_of"]


def describe(component: bytes | Component) -> World:
    """Return the imports and exports of a component, in file order.

    Functions keep their raw names (`[method]cart.add`). What a world cannot show, like types
    declared at world level, is left out.

    Raises:
        BinaryError: the bytes are no component, with the offset.
    """
    if isinstance(component, bytes):
        component = parse(component)
    return world_of(resolve(component))


def world_of(resolution: Resolution) -> World:
    """Return the imports and exports of a resolved component."""
    renaming = Renaming()
    for name, exported in resolution.exports.items():
        _collect_names(renaming, name, exported)
    imported, exported_ = resolution.imports, resolution.exports
    return World(
        _interfaces(imported, renaming),
        _functions(imported, None, renaming),
        tuple(each for each in _interfaces(exported_, renaming) if not _is_initializer(each)),
        _functions(exported_, None, renaming),
    )


def _is_initializer(interface: Interface) -> bool:
    # componentize-py exports its build-time initializer like this. Calling it later breaks the
    # guest, and nobody means to.
    names = [each.name for each in interface.functions]
    return interface.name == "exports" and names == ["init"]


def _collect_names(renaming: Renaming, name: str, exported: Exported) -> None:
    match exported.entity:
        case Instance(exports):
            for inner_name, inner in exports.items():
                if inner.sort is Sort.TYPE:
                    renaming.name(inner.entity, inner_name, name)
        case entity:
            if exported.sort is Sort.TYPE:
                renaming.name(entity, name, None)


def _interfaces(exports: Mapping[str, Exported], renaming: Renaming) -> tuple[Interface, ...]:
    found: list[Interface] = []
    for name, exported in exports.items():
        if isinstance(exported.entity, Instance):
            inner = exported.entity.exports
            found.append(
                Interface(
                    name,
                    _functions(inner, name, renaming),
                    _types(inner, renaming),
                    tuple(key for key, each in inner.items() if isinstance(each.entity, Resource)),
                    _used(inner, name, renaming),
                )
            )
    return tuple(found)


def _functions(
    exports: Mapping[str, Exported], interface: str | None, renaming: Renaming
) -> tuple[Function, ...]:
    return tuple(
        Function(name, _signature(each.entity, renaming), interface)
        for name, each in exports.items()
        if each.sort is Sort.FUNCTION and isinstance(each.entity, FunctionType)
    )


def _signature(type_: FunctionType, renaming: Renaming) -> FunctionType:
    return FunctionType(
        tuple(replace(each, type=renaming.apply(each.type)) for each in type_.parameters),
        None if type_.result is None else renaming.apply(type_.result),
        type_.is_async,
    )


def _used(
    exports: Mapping[str, Exported], interface: str, renaming: Renaming
) -> tuple[tuple[str, ResourceName], ...]:
    found: list[tuple[str, ResourceName]] = []
    for name, each in exports.items():
        if isinstance(each.entity, Resource):
            origin = renaming.resource(each.entity.name)
            if origin != ResourceName(name, interface):
                found.append((name, origin))
    return tuple(found)


def _types(exports: Mapping[str, Exported], renaming: Renaming) -> tuple[NamedType, ...]:
    found: list[NamedType] = []
    for name, each in exports.items():
        match each.entity:
            case Resource() | FunctionType() | TypeClosure():
                pass
            case Instance() | ComponentClosure() | Opaque():
                pass
            case type_:
                found.append(NamedType(name, renaming.apply(type_)))
    return tuple(found)
