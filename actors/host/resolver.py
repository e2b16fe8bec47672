"""Finds the implementation of a component's imports in the durability table."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, final

from actors.engine.port import HostCall
from actors.host.interface import HostFunction, HostInterface
from actors.host.table import TABLE
from wit.types import FunctionType, ResourceName

__all__ = ["Bind", "TableResolver", "is_compatible"]

# `bind(function, type, import name with version as `ns:pkg/iface@v#name`)` wraps durability around
# a function. The executor has it.
Bind: TypeAlias = Callable[[HostFunction, FunctionType, str], HostCall]

_VERSION: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?")


def is_compatible(offered: str | None, wanted: str | None) -> bool:
    """Tell whether an interface of version `offered` may serve an import of version `wanted`.

    Versions are compatible when their first number that is not zero is the same; a pre-release
    only with itself. The third number of `0.2.x` does not matter in either direction, because a
    host function that an older host lacks is noticed by its name.
    """
    if offered is None or wanted is None:
        return offered == wanted
    ours, theirs = _VERSION.fullmatch(offered), _VERSION.fullmatch(wanted)
    if ours is None or theirs is None:
        return False
    if ours[4] or theirs[4]:
        return ours.groups() == theirs.groups()
    return _track(ours) == _track(theirs)


def _track(version: re.Match[str]) -> tuple[str, ...]:
    major, minor, patch = version[1], version[2], version[3]
    if major != "0":
        return (major,)
    return (major, minor) if minor != "0" else (major, minor, patch)


@final
class TableResolver:
    """Serves imports from a table of host interfaces, each wrapped by `bind`."""

    def __init__(self, bind: Bind, table: Mapping[str, HostInterface] = TABLE) -> None:
        self._bind = bind
        self._table = table

    def function(self, interface: str | None, name: str, type_: FunctionType) -> HostCall | None:
        """Return the bound implementation; None for other versions and unknown names."""
        found = self._find(interface)
        function = found.functions.get(name) if found else None
        if function is None:
            return None
        return self._bind(function, type_, f"{interface}#{name}")

    def drop(self, resource: ResourceName) -> Callable[[Any, Any], None] | None:
        """Return what a dropped handle causes; nothing happens for most resources."""
        found = self._find(resource.interface)
        return found.drops.get(resource.name, _nothing) if found else None

    def _find(self, interface: str | None) -> HostInterface | None:
        if interface is None:
            return None
        name, _, version = interface.partition("@")
        found = self._table.get(name)
        if found is None:
            return None
        wanted = version or None
        return found if any(is_compatible(one, wanted) for one in found.versions) else None


def _nothing(context: Any, resource: Any) -> None:
    del context, resource
