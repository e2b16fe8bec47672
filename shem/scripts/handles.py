"""Handles of resources that stay in their workers: URNs, and who gave them to us."""

from typing import final

from msgspec import Struct

from rib import CallError
from wit.json_readers import HandleNames
from wit.type_walk import holds_resource
from wit.types import ResourceName, Type
from wit.values import Value

__all__ = ["Handles", "Owner"]


class Owner(Struct, frozen=True):
    """The worker that a handle belongs to, and the type of what it names."""

    component: str
    worker: str
    resource: ResourceName


@final
class Handles:
    """The handles that a run knows."""

    def __init__(self) -> None:
        self._owners: dict[str, Owner] = {}

    def owner(self, handle: Value) -> Owner:
        """Return whom a handle belongs to.

        Raises:
            CallError: no worker of this run gave it to us.
        """
        owner = self._owners.get(str(handle))
        if owner is None:
            raise CallError(f"no worker of this run returned the handle {handle}")
        return owner

    def of(self, component: str, worker: str, type_: Type) -> HandleNames | None:
        """Return what reads the handles in results of a worker; None where there are none."""
        return _Reader(self._owners, component, worker) if holds_resource(type_) else None


@final
class _Reader:
    def __init__(self, owners: dict[str, Owner], component: str, worker: str) -> None:
        self._owners = owners
        self._component = component
        self._worker = worker

    def urn_of(self, handle: object, resource: ResourceName) -> str:
        del resource
        return str(handle)

    def handle_of(self, urn: str, resource: ResourceName, *, borrowed: bool) -> object:
        del borrowed
        self._owners[urn] = Owner(self._component, self._worker, resource)
        return urn
