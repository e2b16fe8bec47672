"""The resources of a guest that somebody outside holds, by number.

They are handed out as URNs and given back by callers as parameters. Numbers count up from the
guest's start, so that replay, which runs the same invocations, gives the same ones.
"""

from collections.abc import Callable
from typing import Final, final

from actors.clients import CLIENT_RESOURCE, CLIENT_URN, client_of
from actors.engine.resources import GuestResource
from actors.host.rpc.urn import ResourceUrn, parse_urn
from actors.host.shem.clients import Client
from actors.identity import WorkerId, component_uuid
from actors.saved_worker import SavedResources
from wit.types import ResourceName

__all__ = ["HELD_MAX", "GuestResources"]

HELD_MAX: Final = 100_000


@final
class GuestResources:
    """Names resources of one instance (`wit.json_readers.HandleNames`)."""

    def __init__(self, worker: WorkerId) -> None:
        self._component = str(component_uuid(worker.component))
        self._worker = worker.worker
        self._held: dict[int, GuestResource] = {}
        self._numbers: dict[int, int] = {}
        self._count = 0

    def urn_of(self, handle: object, resource: ResourceName) -> str:
        """Return the URN of a resource that goes out, and keep the resource.

        Raises:
            ValueError: it is no resource of the guest, or too many are held outside.
        """
        if isinstance(handle, Client):
            return f"{CLIENT_URN}{handle.id}"
        if not isinstance(handle, GuestResource):
            raise TypeError(f"the {resource.name} is no resource of this worker")
        known = self._numbers.get(id(handle))
        if known is not None and self._held.get(known) is handle:
            return self._urn(known)
        if len(self._held) >= HELD_MAX:
            raise ValueError(f"{HELD_MAX} resources of this worker are held outside already")
        self._count += 1
        self._held[self._count] = handle
        self._numbers[id(handle)] = self._count
        return self._urn(self._count)

    def handle_of(
        self, urn: str, resource: ResourceName, *, borrowed: bool
    ) -> GuestResource | Client:
        """Return the resource behind a URN: one of the guest, or a connected client.

        Raises:
            ValueError: it is of another worker, unknown, or gone.
        """
        del borrowed
        if ((resource.interface or "").partition("@")[0], resource.name) == CLIENT_RESOURCE:
            return Client(client_of(urn))
        parsed = parse_urn(urn)
        if (parsed.component, parsed.worker) != (self._component, self._worker):
            raise ValueError("it belongs to another worker")
        handle = self._held.get(parsed.number)
        if handle is None or handle.is_gone:
            if self._held.pop(parsed.number, None) is not None:
                self._numbers.pop(id(handle), None)
            raise ValueError("there is none of that number any more")
        return handle

    def save(self) -> SavedResources:
        """Return what is held outside.

        Raises:
            SnapshotRefusedError: a call is under way.
        """
        held: list[tuple[int, int, int]] = []
        for number, handle in self._held.items():
            saved = handle.save()
            if saved is not None:
                held.append((number, *saved))
        return SavedResources(self._count, tuple(held))

    def resume(self, saved: SavedResources, adopt: Callable[[int, int], object]) -> None:
        """Hold again what was held when the guest was saved.

        Raises:
            SnapshotUnusableError: the guest has no such resources.
        """
        self._count = saved.count
        for number, resource, representation in saved.held:
            handle = adopt(resource, representation)
            assert isinstance(handle, GuestResource)
            self._held[number] = handle
            self._numbers[id(handle)] = number

    def _urn(self, number: int) -> str:
        return str(ResourceUrn(self._component, self._worker, number))
