"""The types of what this host offers, as the WIT packages declare them, against what is imported.

A component may be built from another WIT than ours under the same name. Its calls would then carry
values that the host functions were not written for, so that it is refused when it is uploaded.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import final

from actors.engine.errors import ComponentError
from actors.host.table import TABLE
from wit.subtype import TypeEquality
from wit.text.parser import parse
from wit.text.resolver import ALL_FEATURES, resolve
from wit.type_text import definition_text, type_text
from wit.type_walk import walk
from wit.types import EnumType, FlagsType, FunctionType, RecordType, ResourceName, VariantType
from wit.world import World

__all__ = ["ImportTypesError", "declared_functions", "require_declared_types"]

MISMATCHES_SHOWN_MAX = 8


class ImportTypesError(ComponentError):
    """Imports of host interfaces are typed otherwise than the host's; terminal."""


@cache
def declared_functions() -> Mapping[str, Mapping[str, FunctionType]]:
    """Return the functions of each interface of ours, by interface without version, and name."""
    root = resources.files("wit").joinpath("packages")
    files = [
        [parse(file.read_text(encoding="utf-8"), file.name)]
        for place in sorted(root.iterdir(), key=str)
        for file in sorted(place.iterdir(), key=str)
        if file.name.endswith(".wit")
    ]
    return {
        _unversioned(interface.name): {each.name: each.type for each in interface.functions}
        for package in resolve(files, features=ALL_FEATURES).packages.values()
        for interface in package.interfaces.values()
    }


def require_declared_types(world: World) -> None:
    """Compare the imported functions of host interfaces with the declared ones.

    Names of parameters and types do not matter, nor do versions: whether a version is served is
    asked elsewhere, and so is what the host does not have at all.

    Raises:
        ImportTypesError: names each that differs, with both types.
    """
    found = list(_mismatches(world))
    if found:
        more = len(found) - MISMATCHES_SHOWN_MAX
        tail = f"; and {more} more" if more > 0 else ""
        raise ImportTypesError(
            "imports with other types than this host's: "
            + "; ".join(found[:MISMATCHES_SHOWN_MAX])
            + tail
        )


def _mismatches(world: World) -> Iterator[str]:
    equality = _AnyVersion()
    for interface in world.import_interfaces:
        name = _unversioned(interface.name)
        if name not in TABLE:
            continue
        ours = declared_functions().get(name, {})
        for function in interface.functions:
            expected = ours.get(function.name)
            if expected is not None and not equality.functions(function.type, expected):
                theirs, our = _text(function.type), _text(expected)
                if theirs == our:
                    theirs, our = _declarations(function.type), _declarations(expected)
                yield f"{interface.name}#{function.name} is {theirs}, expected {our}"


@final
class _AnyVersion(TypeEquality):
    """Resources are the same when their names are, whatever the version of their interface."""

    def functions(self, left: FunctionType, right: FunctionType) -> bool:
        """Compare without the names of parameters, which no call carries."""
        if left.is_async != right.is_async or len(left.parameters) != len(right.parameters):
            return False
        pairs = zip(left.parameters, right.parameters, strict=True)
        if not all(self.types(one.type, other.type) for one, other in pairs):
            return False
        if left.result is None or right.result is None:
            return left.result is right.result
        return self.types(left.result, right.result)

    def resources(self, left: ResourceName, right: ResourceName) -> bool:
        """Compare without versions."""
        return left.name == right.name and _base(left.interface) == _base(right.interface)


def _base(interface: str | None) -> str | None:
    return None if interface is None else _unversioned(interface)


def _unversioned(interface: str) -> str:
    return interface.partition("@")[0]


def _declarations(type_: FunctionType) -> str:
    """Return what the types are made of that stand in the function by their names."""
    tops = [each.type for each in type_.parameters]
    if type_.result is not None:
        tops.append(type_.result)
    found = {
        definition_text(part): None
        for top in tops
        for part in walk(top)
        if isinstance(part, RecordType | VariantType | EnumType | FlagsType)
    }
    return f"{_text(type_)} with {', '.join(found) or 'other resources'}"


def _text(type_: FunctionType) -> str:
    parameters = ", ".join(f"{each.name}: {type_text(each.type)}" for each in type_.parameters)
    result = "" if type_.result is None else f" -> {type_text(type_.result)}"
    return f"func({parameters}){result}"
