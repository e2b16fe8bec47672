"""High-water marks: what the broker once acknowledged, kept where the loss of it does not reach.

A damaged file of a broker may take the end of the stream with it. What is left is a valid beginning
of what was, and says nothing of the rest. So the owner of each partition writes down beside the
stream, in a bucket, up to where it has seen it, and which commit was the newest one:

    bucket workers    high-water   {partition: Mark}    by the owners, once a second
                      losses       {partition: Loss}    by whoever finds one, until it is accepted

A partition whose stream is behind its mark is served by nobody before an operator has said so.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from broker.errors import ExistsError, UnavailableError
from broker.ports import Bucket, Journal, Message
from oplog.errors import CorruptLogError
from oplog.headers import peek

__all__ = [
    "Loss",
    "Mark",
    "accept_losses",
    "find_loss",
    "forgive",
    "losses_in",
    "marks_in",
    "newer",
    "note_loss",
    "raise_marks",
    "read_high_water",
    "read_losses",
]

MARKS_KEY: Final = "high-water"
LOSSES_KEY: Final = "losses"
CONFLICTS_MAX: Final = 20


class Mark(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a partition: it has reached stream sequence `seen`.

    Its newest commit stands at `sequence` in the log `subject`, ends with entry `index`, and has
    `hash`; 0 and empty: none was seen. Commits up to `forgiven` may be gone: a log was cut off.
    """

    seen: int
    sequence: int = 0
    subject: str = ""
    index: int = 0
    hash: str = ""
    forgiven: int = 0


class Loss(Struct, frozen=True, kw_only=True):
    """What a partition has lost: the stream ends at `end` and once reached `seen`, or was renewed.

    `message` says it in words; `at_ms` (Unix time) is when it was found.
    """

    seen: int
    end: int
    message: str
    at_ms: int


T = TypeVar("T")
_DECODERS: Final[dict[str, Callable[[bytes], Any]]] = {
    MARKS_KEY: msgspec.json.Decoder(dict[int, Mark]).decode,
    LOSSES_KEY: msgspec.json.Decoder(dict[int, Loss]).decode,
}


def marks_in(progress: Mapping[str, bytes]) -> Mapping[int, Mark]:
    """Return the marks among the keys of the bucket."""
    return _decode(MARKS_KEY, progress.get(MARKS_KEY))


def losses_in(progress: Mapping[str, bytes]) -> Mapping[int, Loss]:
    """Return the losses among the keys of the bucket."""
    return _decode(LOSSES_KEY, progress.get(LOSSES_KEY))


def newer(one: Mark | None, other: Mark | None) -> Mark | None:
    """Return what two marks of a partition say together."""
    if one is None or other is None:
        return one or other
    commit = one if one.sequence >= other.sequence else other
    seen, forgiven = max(one.seen, other.seen), max(one.forgiven, other.forgiven)
    if commit.sequence <= forgiven:
        return Mark(seen=seen, forgiven=forgiven)
    return msgspec.structs.replace(commit, seen=seen, forgiven=forgiven)


async def read_high_water(bucket: Bucket) -> Mapping[int, Mark]:
    """Return the mark of each partition that has one."""
    marks: tuple[dict[int, Mark], int] = await _read(bucket, MARKS_KEY)
    return marks[0]


async def read_losses(bucket: Bucket) -> Mapping[int, Loss]:
    """Return what was found to be lost and is not accepted, by partition."""
    losses: tuple[dict[int, Loss], int] = await _read(bucket, LOSSES_KEY)
    return losses[0]


async def raise_marks(bucket: Bucket, news: Mapping[int, Mark]) -> None:
    """Raise the marks of some partitions; a lower one changes nothing."""

    def change(marks: dict[int, Mark]) -> dict[int, Mark]:
        return {**marks, **{at: newer(marks.get(at), mark) or mark for at, mark in news.items()}}

    await _change(bucket, MARKS_KEY, change)


async def forgive(bucket: Bucket, partition: int, sequence: int) -> None:
    """Say that commits of a partition up to `sequence` were removed on purpose."""
    await raise_marks(bucket, {partition: Mark(seen=sequence, forgiven=sequence)})


async def note_loss(bucket: Bucket, partition: int, loss: Loss) -> bool:
    """Keep a loss until it is accepted, the first one of a partition; False: it was meanwhile.

    A partition without a mark has lost nothing: whoever accepts takes the mark away first, so that
    a loss that is written after it is seen to be, and is taken back.
    """

    def added(losses: dict[int, Loss]) -> dict[int, Loss]:
        return {partition: loss, **losses}

    def taken_back(losses: dict[int, Loss]) -> dict[int, Loss]:
        return {at: each for at, each in losses.items() if (at, each) != (partition, loss)}

    await _change(bucket, LOSSES_KEY, added)
    if partition in await read_high_water(bucket):
        return True
    await _change(bucket, LOSSES_KEY, taken_back)
    return False


async def accept_losses(bucket: Bucket, partitions: Collection[int]) -> None:
    """Forget the losses and the marks of some partitions: they are served again as they are."""

    def without(found: dict[int, T]) -> dict[int, T]:
        return {at: each for at, each in found.items() if at not in partitions}

    await _change(bucket, MARKS_KEY, without)
    await _change(bucket, LOSSES_KEY, without)


async def find_loss(journal: Journal, partition: int, mark: Mark, *, at_ms: int) -> Loss | None:
    """Compare the stream of a partition with its mark; None: everything up to the mark is there.

    A commit that is gone while later ones of its log are there was archived, and one whose log is
    gone was deleted: neither is a loss.

    Raises:
        UnavailableError: the broker does not answer now.
    """
    end = await journal.end(partition)

    def loss(message: str) -> Loss:
        return Loss(seen=mark.seen, end=end, message=message, at_ms=at_ms)

    if end < mark.seen:
        return loss(
            f"the stream ends at sequence {end} and had reached {mark.seen}: up to "
            f"{mark.seen - end} acknowledged messages are gone{_newest(mark)}"
        )
    if not mark.sequence:
        return None
    found = await journal.get(mark.subject, mark.sequence)
    if found is not None:
        if found.subject == mark.subject and _hash_of(found) == mark.hash:
            return None
        return loss(
            f"sequence {mark.sequence} holds another message than it did: the stream was cut off "
            f"before it and written anew{_newest(mark)}"
        )
    # Whichever server answered may be one that lags behind: the leader decides.
    last = await journal.last(mark.subject, leader=True)
    if last is None and (await journal.subjects(mark.subject)).get(mark.subject):
        # It is counted, or has come to be right now.
        last = await journal.last(mark.subject, leader=True)
        if last is None:
            return loss(f"the log {mark.subject} is there and cannot be read{_newest(mark)}")
    if last is None or last.sequence > mark.sequence:
        return None
    if last.sequence == mark.sequence and _hash_of(last) == mark.hash:
        return None
    return loss(
        f"the log {mark.subject} ends at sequence {last.sequence} and had reached "
        f"{mark.sequence}{_newest(mark)}"
    )


def _newest(mark: Mark) -> str:
    if not mark.sequence:
        return ""
    return f"; the newest commit known was entry {mark.index} of {mark.subject}"


def _hash_of(message: Message) -> str:
    try:
        return peek(message.headers, sequence=message.sequence).hash
    except CorruptLogError:
        return ""


async def _read(bucket: Bucket, key: str) -> tuple[dict[int, Any], int]:
    entry = await bucket.get(key)
    if entry is None or entry.data is None:
        return {}, 0
    return _decode(key, entry.data), entry.revision


def _decode(key: str, data: bytes | None) -> dict[int, Any]:
    if data is None:
        return {}
    try:
        decoded: dict[int, Any] = _DECODERS[key](data)
    except msgspec.DecodeError:
        # Written by another release: what it says cannot be used, and is replaced.
        return {}
    return decoded


async def _change(bucket: Bucket, key: str, change: Callable[[dict[int, T]], dict[int, T]]) -> None:
    for _ in range(CONFLICTS_MAX):
        found, revision = await _read(bucket, key)
        wanted = change(found)
        if wanted == found:
            return
        try:
            await bucket.update(key, msgspec.json.encode(wanted), revision=revision)
        except ExistsError:
            continue
        return
    raise UnavailableError(f"key {key!r} is written by too many at once: try again")
