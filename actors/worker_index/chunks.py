"""Writing rows: chunks are read, merged and written back by compare-and-set."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, final

from actors.worker_index.rows import Place, Row, decode_chunk, encode_chunk, merged
from actors.worker_index.together import together
from broker.errors import ExistsError
from broker.ports import Broker, BucketEntry

__all__ = ["Chunks"]

CONFLICTS_MAX: Final = 20
WRITES_AT_ONCE_MAX: Final = 8
# Compressed chunks kept to spare reading them back before each write.
CACHED_BYTES_MAX: Final = 16 << 20


@final
class Chunks:
    """The chunks as one process writes them."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._slots = asyncio.Semaphore(WRITES_AT_ONCE_MAX)
        self._cache: OrderedDict[Place, BucketEntry] = OrderedDict()
        self._cached_bytes = 0

    async def merge(
        self, news: Mapping[Place, Mapping[str, Row]], *, now_ms: int, corrects: bool = False
    ) -> None:
        """Write rows where they are newer than what is there; `corrects`: wherever they differ.

        Raises:
            ExceptionGroup: of `UnavailableError`, when the broker does not answer now, and of
                `TooLargeError`, for a chunk that is larger than a message may be.
        """
        await together(
            self._merge(place, rows, now_ms, corrects=corrects) for place, rows in news.items()
        )

    async def _merge(
        self, place: Place, news: Mapping[str, Row], now_ms: int, *, corrects: bool
    ) -> None:
        bucket = self._broker.workers_of(place.component)
        async with self._slots:
            for _ in range(CONFLICTS_MAX):
                entry = self._cache.get(place) or await bucket.get(place.key)
                present = {} if entry is None or entry.data is None else decode_chunk(entry.data)
                rows = merged(present, news, now_ms=now_ms, corrects=corrects)
                if rows is None:
                    return
                data = encode_chunk(rows)
                try:
                    revision = await bucket.update(
                        place.key, data, revision=0 if entry is None else entry.revision
                    )
                except ExistsError:
                    self._forget(place)
                    continue
                self._remember(place, BucketEntry(place.key, data, revision))
                return

    def _remember(self, place: Place, entry: BucketEntry) -> None:
        self._forget(place)
        self._cache[place] = entry
        self._cached_bytes += len(entry.data or b"")
        while self._cached_bytes > CACHED_BYTES_MAX:
            self._forget(next(iter(self._cache)))

    def _forget(self, place: Place) -> None:
        dropped = self._cache.pop(place, None)
        if dropped is not None:
            self._cached_bytes -= len(dropped.data or b"")
