"""Making the index anew from the logs, a part at a time."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from actors.errors import ApiError
from actors.statuses import Statuses
from actors.worker_index.chunks import Chunks
from actors.worker_index.rows import Place, Row, decode_chunk, place_of, row_of
from broker.ports import Broker

__all__ = ["Rebuilt", "correct", "rebuild"]

NAMES_AT_ONCE: Final = 2_000


class Rebuilt(Struct, frozen=True, omit_defaults=True):
    """Rows that were read from logs, rows without a log that were taken out, where to go on."""

    indexed: int
    removed: int
    damaged: tuple[str, ...] = ()
    next: str | None = None


async def rebuild(broker: Broker, statuses: Statuses, component: str, *, after: str) -> Rebuilt:
    """Read the logs of the next workers behind `after` and correct their rows.

    Workers that run meanwhile do no harm: of two rows the newer counts.

    Raises:
        UnavailableError: the broker does not answer now.
    """
    living = await statuses.names(component)
    rows = await _rows(broker, component)
    names = [name for name in sorted({*living, *rows}) if name > after]
    chosen = names[:NAMES_AT_ONCE]
    now_ms = time.time_ns() // 1_000_000
    news: dict[Place, dict[str, Row]] = {}
    damaged: list[str] = []
    counts = {True: 0, False: 0}

    async def look_at(name: str) -> None:
        try:
            status, sequence = await statuses.find_at(component, name)
        except ApiError:
            damaged.append(name)
            return
        if status is None and name not in rows:
            return
        counts[status is not None] += 1
        if sequence == 0:
            # A row without any log: of a bucket that is older than the stream.
            sequence = rows[name].sequence
        place = place_of(component, name, broker.partitions)
        row = row_of(status, sequence=sequence, at_ms=now_ms)
        news.setdefault(place, {})[name] = row

    async with asyncio.TaskGroup() as looking:
        for name in chosen:
            looking.create_task(look_at(name))
    await Chunks(broker).merge(news, now_ms=now_ms)
    return Rebuilt(
        indexed=counts[True],
        removed=counts[False],
        damaged=tuple(sorted(damaged)),
        next=chosen[-1] if len(names) > len(chosen) else None,
    )


async def correct(
    broker: Broker, statuses: Statuses, component: str, workers: Sequence[str]
) -> None:
    """Write what the logs of some workers say, though their rows are newer: logs were cut off.

    Raises:
        UnavailableError: the broker does not answer now.
    """
    now_ms = time.time_ns() // 1_000_000
    news: dict[Place, dict[str, Row]] = {}
    for name in workers:
        status, sequence = await statuses.find_at(component, name)
        place = place_of(component, name, broker.partitions)
        row = row_of(status, sequence=sequence, at_ms=now_ms)
        news.setdefault(place, {})[name] = row
    await Chunks(broker).merge(news, now_ms=now_ms, corrects=True)


async def _rows(broker: Broker, component: str) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for entry in await broker.workers_of(component).changes():
        if entry.data is not None:
            found.update(decode_chunk(entry.data))
    return {name: row for name, row in found.items() if not row.is_buried}
