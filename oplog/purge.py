"""The part of a log that was thrown away because snapshots stand for it, by explicit policy.

    `purged` entry committed ─▶ stream purged ─▶ archived chunks and large values deleted

From the entry on nothing before the commit that it names counts: it repeats, in short, what those
entries said (a `Base`), names the snapshot that stands for them, and is chained to by all that
follows. So a log that begins later than with entry 1 is sound if such an entry says so, and is
damaged otherwise. A crash in between leaves more than is needed, which nobody reads.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Raw

from broker.ports import Blobs, Journal
from oplog import payloads
from oplog.archive import sweep_archive
from oplog.entries import Entry, Purged
from oplog.errors import CorruptLogError
from oplog.snapshots import Base

__all__ = ["PURGED", "base_of", "forget", "purged_at", "without_base"]

PURGED: Final = frozenset({str(Purged.__struct_config__.tag)})
"""What the types of a commit mention that holds such an entry."""

_decode_base = msgspec.json.Decoder(Base).decode


def purged_at(base: Base, *, at_ms: int) -> Purged:
    """Return the entry by which the log begins behind a snapshot."""
    return Purged(
        at_ms=at_ms,
        index=base.commit.index,
        log_sequence=base.commit.log_sequence,
        blob=base.blob,
        base=Raw(msgspec.json.encode(base)),
    )


def without_base(entry: Entry) -> Entry:
    """Return the entry as it is remembered: what it repeats would be repeated again and again."""
    return msgspec.structs.replace(entry, base=UNSET) if isinstance(entry, Purged) else entry


async def base_of(entries: Sequence[Entry], blobs: Blobs) -> Base | None:
    """Return where a log begins, by the last of `entries` that says so; None: none does.

    Raises:
        CorruptLogError: what the entry repeats is damaged or gone.
    """
    found = [entry for entry in entries if isinstance(entry, Purged)]
    if not found:
        return None
    value = found[-1].base
    if not isinstance(value, Raw):
        raise CorruptLogError("a purged entry does not say what it stands for")
    if payloads.is_reference(value):
        value = await payloads.fetch(value, blobs)
    try:
        return _decode_base(value)
    except msgspec.DecodeError as error:
        raise CorruptLogError(f"a purged entry says nothing readable: {error}") from error


async def forget(
    journal: Journal, blobs: Blobs, subject: str, purged: Purged, *, incarnation: str
) -> None:
    """Remove what a committed `purged` entry stands for. Doing it again does nothing.

    Raises:
        UnavailableError: the broker does not answer now.
    """
    # The commit that the snapshot was taken after stays: it shows that the snapshot is of this log.
    await journal.purge(subject, up_to_sequence=purged.log_sequence - 1)
    await sweep_archive(blobs, subject)
    prefix = payloads.prefix(incarnation)
    for name in await blobs.names(prefix):
        index, _, _ = name.removeprefix(prefix).partition("-")
        if index.isdecimal() and int(index) <= purged.index:
            await blobs.delete(name)
