"""The pointer to a worker's newest snapshots, and a log that begins at one of them.

The pointer is the last message on the worker's `.snap` subject. It names a few snapshots, newest
first, each with what a log that begins there cannot tell any more: who the worker is, its status,
and the entries that say what replay leaves out. So planning needs the pointer and the rest of the
log alone; the blob, which holds the guest and the keys, only who runs it.

The log stays the truth. A snapshot counts if the commit that it was taken after stands in the log
with the hash that it had, and if nothing behind says that what it holds never happened. A pointer
that is missing, old or foreign costs a longer replay and nothing else, so it needs no fence.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

from broker.ports import Blobs, Journal, Message
from oplog.entries import Create, Entry
from oplog.limits import SNAPSHOTS_KEPT_MAX
from oplog.plan import Plan, plan_of
from oplog.status import FoldState

__all__ = [
    "Base",
    "Pointer",
    "SavedCommit",
    "blob_name",
    "holds_at",
    "prefix",
    "publish",
    "read_pointer",
    "sweep_snapshots",
]

VERSION: Final = 1


class SavedCommit(Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """The commit that a snapshot was taken after: its last index, stream sequence and hash."""

    index: int
    log_sequence: int
    hash: str


class Base(Struct, frozen=True, kw_only=True, rename="kebab", omit_defaults=True):
    """A snapshot: where it lies, and the beginning of the log up to it, in short.

    `structural` are the entries that say what replay leaves out, with their indices; `outstanding`
    what was asked and not observed, as its owner encodes it.
    """

    commit: SavedCommit
    blob: str
    size: int
    sha256: str
    at_ms: int
    created: Create
    status: FoldState
    last_ms: int
    structural: tuple[tuple[int, Entry], ...] = ()
    outstanding: Raw = Raw(b"[]")

    def plan(self) -> Plan:
        """Return what replay left out when it was taken."""
        return plan_of(self.structural)


class Pointer(Struct, frozen=True, kw_only=True):
    """Snapshots, newest first."""

    v: int = VERSION
    snapshots: tuple[Base, ...] = ()


_decode = msgspec.json.Decoder(Pointer).decode
_encode = msgspec.json.Encoder().encode


def prefix(incarnation: str) -> str:
    """Return what the names of all snapshots of one incarnation of a worker start with."""
    return f"snapshot/{incarnation}/"


def blob_name(incarnation: str, index: int, sha256: str) -> str:
    """Return the name of a snapshot taken after entry `index`.

    The digest keeps a former owner that writes late from replacing what the pointer names.
    """
    return f"{prefix(incarnation)}{index}-{sha256[:16]}"


async def read_pointer(journal: Journal, subject: str) -> tuple[Pointer, int]:
    """Return the pointer and the stream sequence of its message; an empty one and 0 if none."""
    message = await journal.last(subject)
    if message is None:
        return Pointer(), 0
    return _understand(message), message.sequence


def _understand(message: Message) -> Pointer:
    try:
        pointer = _decode(message.data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Damaged, or of another release: the log has everything.
        return Pointer()
    return pointer if pointer.v == VERSION else Pointer()


async def publish(
    journal: Journal,
    blobs: Blobs,
    subject: str,
    *,
    snapshots: Sequence[Base],
    behind: int,
    message_id: str,
    spared: str = "",
) -> int:
    """Make the pointer name `snapshots`, as many as are kept, and return its sequence.

    Blobs that it no longer names are deleted afterwards, but for the one that is `spared`; a crash
    in between leaves them to `sweep_snapshots`, at the end of the worker.

    Raises:
        FencedError: somebody else has written the pointer behind `behind`.
    """
    kept = tuple(snapshots[:SNAPSHOTS_KEPT_MAX])
    data = _encode(Pointer(snapshots=kept))
    sequence = await journal.append(subject, data, message_id=message_id, expected_sequence=behind)
    if behind:
        await journal.purge(subject, up_to_sequence=sequence - 1)
    for dropped in snapshots[SNAPSHOTS_KEPT_MAX:]:
        if dropped.blob != spared:
            await blobs.delete(dropped.blob)
    return sequence


async def sweep_snapshots(journal: Journal, blobs: Blobs, subject: str, incarnation: str) -> None:
    """Delete the pointer and all snapshots of a deleted worker's incarnation."""
    await journal.purge(subject)
    for name in await blobs.names(prefix(incarnation)):
        await blobs.delete(name)


def holds_at(base: Base, plan: Plan) -> bool:
    """Tell whether what was true at `base` still is, by the plan of the whole log.

    It is not after a revert to an earlier place, a jump back before it, or an update that begins
    the worker anew.
    """
    return _until(plan, base.commit.index) == _until(base.plan(), base.commit.index)


def _until(plan: Plan, index: int) -> list[tuple[int, int]]:
    return [(start, min(end, index)) for start, end in plan.skipped if start <= index]
