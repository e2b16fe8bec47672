"""What a deployment has lost although it was acknowledged: found from outside, and accepted.

The stream itself cannot say what it does not hold any more. Two things beside it can: the marks of
the partitions, and the index, whose rows name the commit that each of them was made of.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from actors.statuses import Statuses
from actors.worker_index.marks import forget_marks
from actors.worker_index.rebuild import correct
from actors.worker_index.rows import Row, decode_chunk
from broker import subjects
from broker.ports import Broker
from oplog.errors import CorruptLogError
from oplog.headers import peek
from oplog.high_water import Loss, accept_losses, find_loss, read_high_water, read_losses

__all__ = [
    "Losses",
    "ShortLog",
    "Unreadable",
    "accept",
    "find",
    "lost_partitions",
    "short_logs",
    "unreadable",
    "unreadable_mail",
]

_MAILBOXES: Final = "shem.oplog.*.*.*.in.*"
_NO_ENDS: Final[Mapping[str, int]] = MappingProxyType({})


class ShortLog(Struct, frozen=True, kw_only=True):
    """A worker whose log ends before what is known of it; `last_index` 0: there is none any more.

    `known_index` is the entry that the index of workers had seen, `known_sequence` its commit.
    """

    component: str
    worker: str
    last_index: int
    last_sequence: int
    known_index: int
    known_sequence: int


class Unreadable(Struct, frozen=True, kw_only=True):
    """A subject of which the broker counts more messages than it can read: damaged ones.

    `is_whole_elsewhere`: only the replica that answered at first cannot.
    """

    subject: str
    stored: int
    readable: int
    is_whole_elsewhere: bool = False


class Losses(Struct, frozen=True, kw_only=True):
    """What is missing. `partitions` are those that nobody serves before it is accepted."""

    partitions: Mapping[int, Loss]
    logs: tuple[ShortLog, ...]


async def find(broker: Broker) -> Losses:
    """Compare the stream with all that is known of it; changes nothing.

    Raises:
        UnavailableError: the broker does not answer.
    """
    partitions = await lost_partitions(broker)
    return Losses(partitions=partitions, logs=tuple([each async for each in short_logs(broker)]))


async def lost_partitions(broker: Broker) -> Mapping[int, Loss]:
    """Return the partitions whose stream is shorter than it was; changes nothing.

    Raises:
        UnavailableError: the broker does not answer.
    """
    found = dict(await read_losses(broker.workers))
    marks = await read_high_water(broker.workers)
    for partition, mark in marks.items():
        if partition not in found:
            at_ms = time.time_ns() // 1_000_000
            loss = await find_loss(broker.journal, partition, mark, at_ms=at_ms)
            if loss is not None:
                found[partition] = loss
    return found


async def accept(broker: Broker, losses: Losses, partitions: Collection[int]) -> Losses:
    """Go on without what is missing in some partitions; return what that was.

    The index is corrected first, so that a crash in between leaves the partitions held back.
    """
    logs = tuple(
        each
        for each in losses.logs
        if subjects.partition_of(each.component, each.worker, broker.partitions) in partitions
    )
    accepted = {number: losses.partitions[number] for number in partitions}
    for component in {each.component for each in logs}:
        names = [each.worker for each in logs if each.component == component]
        await correct(broker, Statuses(broker), component, names)
    await forget_marks(broker.workers, partitions)
    await accept_losses(broker.workers, partitions)
    return Losses(partitions=accepted, logs=logs)


async def short_logs(
    broker: Broker,
    component: str | None = None,
    worker: str | None = None,
    *,
    ends: Mapping[str, int] = _NO_ENDS,
) -> AsyncIterator[ShortLog]:
    """Yield the workers whose log ends before the commit that their row in the index was made of.

    `ends` are the sequences at which logs are known to end; others are asked for.

    Raises:
        UnavailableError: the broker does not answer.
    """
    for name in await _components(broker) if component is None else [component]:
        for known, row in (await _rows(broker, name)).items():
            if row.is_buried or worker not in {None, known}:
                continue
            subject = subjects.log(name, known, broker.partitions)
            if ends.get(subject, 0) >= row.sequence:
                continue
            last = await broker.journal.last(subject, leader=True)
            if last is not None and last.sequence >= row.sequence:
                continue
            status = row.status()
            index = 0
            if last is not None:
                try:
                    index = peek(last.headers, sequence=last.sequence).last
                except CorruptLogError:
                    # Reading the log says what is wrong there.
                    continue
            yield ShortLog(
                component=name,
                worker=known,
                last_index=index,
                last_sequence=0 if last is None else last.sequence,
                known_index=0 if status is None else status.index,
                known_sequence=row.sequence,
            )


async def unreadable(
    broker: Broker, pattern: str, read: Counter[str], ends: Mapping[int, int]
) -> list[Unreadable]:
    """Return the subjects of which less was `read` than the broker counts.

    `ends` are the newest sequences that were read in each stream, of whatever subject.
    """
    found: list[Unreadable] = []
    for subject, stored in (await broker.journal.subjects(pattern)).items():
        if read[subject] >= stored:
            continue
        again = (await broker.journal.subjects(subject)).get(subject, 0)
        readable = before = 0
        end = ends.get(broker.sharding.stream_of_subject(subject), 0)
        async for message in broker.journal.read_whole(subject):
            readable += 1
            before += message.sequence <= end
        # Nothing is ever added before the end of what was read.
        is_whole_elsewhere = before > read[subject]
        if is_whole_elsewhere or readable < min(stored, again):
            found.append(
                Unreadable(
                    subject=subject,
                    stored=again,
                    readable=readable,
                    is_whole_elsewhere=is_whole_elsewhere,
                )
            )
    return found


async def unreadable_mail(broker: Broker) -> list[Unreadable]:
    """Return the mailboxes that hold messages which cannot be read."""
    read: Counter[str] = Counter()
    ends: dict[int, int] = {}
    async for message in broker.journal.read(_MAILBOXES):
        read[message.subject] += 1
        ends[broker.sharding.stream_of_subject(message.subject)] = message.sequence
    return await unreadable(broker, _MAILBOXES, read, ends)


async def _components(broker: Broker) -> Sequence[str]:
    prefix = "newest/"
    return [key.removeprefix(prefix) for key in await broker.components.keys(prefix)]


async def _rows(broker: Broker, component: str) -> Mapping[str, Row]:
    found: dict[str, Row] = {}
    for entry in await broker.workers_of(component).changes():
        if entry.data is not None:
            found.update(decode_chunk(entry.data))
    return found
