"""Compiled code in the object store, so that one executor compiles for all."""

from typing import final

import structlog

from broker.errors import BrokerError
from broker.ports import Blobs

__all__ = ["BlobCode"]

log = structlog.get_logger(__name__)


@final
class BlobCode:
    """Implements `actors.engine.port.SharedCode`.

    A broker that fails costs a compilation, nothing else.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def get(self, name: str) -> bytes | None:
        """Return what is stored under that name, if anything."""
        try:
            return await self._blobs.get(name)
        except BrokerError as error:
            log.debug("no compiled code", name=name, error=str(error))
            return None

    async def put(self, name: str, data: bytes) -> None:
        """Store it, if the broker takes it."""
        try:
            await self._blobs.put(name, data)
        except BrokerError as error:
            log.warning("compiled code is not shared", name=name, error=str(error))
