"""A worker without consequences: brought back from its log over a broker that takes nothing in."""

import asyncio
import copy
from collections.abc import Mapping
from typing import Any, NoReturn, cast, final

from msgspec import Raw

from actors.identity import Address, WorkerId
from actors.ledger import Ledger
from actors.past import Past
from actors.services import Services
from actors.worker_index.projector import Projector
from broker.ports import Broker
from oplog.reader import LoadedLog

__all__ = ["Silent", "deaf_ledger", "deafened"]


@final
class _Deaf:
    """A part of a broker that takes nothing in: whoever sends waits, and is ended."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        match name:
            case "append" | "publish" | "schedule" | "purge" | "remove" | "put":
                return self._never
            case "journal" | "blobs":
                return _Deaf(getattr(self._real, name))
            case "signals":
                return Silent()
            case _:
                return getattr(self._real, name)

    async def _never(self, *_arguments: Any, **_options: Any) -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError("nothing sets it")


@final
class Silent:
    """Tells nobody."""

    def publish(self, *_arguments: Any, **_options: Any) -> None:
        """Drop it."""


@final
class _NoIndex:
    """Hears nothing of the worker."""

    def loaded(self, *_arguments: Any, **_options: Any) -> None:
        """Drop it."""

    def committed(self, *_arguments: Any) -> None:
        """Drop it."""


def deafened(services: Services) -> Services:
    """Return the services of a worker that must not change anything outside."""
    deaf = copy.copy(services)
    deaf.broker = cast("Broker", _Deaf(services.broker))
    deaf.index = cast("Projector", _NoIndex())
    return deaf


def deaf_ledger(
    worker_id: WorkerId,
    services: Services,
    loaded: LoadedLog,
    past: Past,
    references: Mapping[bytes, Raw],
) -> Ledger:
    """Return a ledger whose entries are never committed; `services` are deafened."""
    return Ledger(
        worker_id,
        Address.of(worker_id, services.broker.partitions),
        services,
        head=loaded.head,
        past=past,
        references=references,
        on_quiet=_nothing,
        on_failure=_ignore,
    )


def _nothing() -> None:
    pass


def _ignore(_: object) -> None:
    pass
