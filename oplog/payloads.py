"""Large values of entries in the blob store.

A value above `INLINE_BYTES_MAX` is stored as a blob before its entry is committed, and its place
in the entry holds `{"$blob": name, "size": n, "sha256": digest}`. The digest is checked whenever
the value is read back.

Names are `payload/<incarnation>/<index>-<digest>`. The digest makes them safe against a former
owner of the worker that writes late: the same name always means the same bytes, so it can overwrite
nothing of the new owner's. A crash between blob and commit leaves an orphan. It is overwritten by
itself when the same value is recorded at the same place again; otherwise it stays until the worker
is deleted and `sweep` removes everything under its incarnation. Whoever copies entries to another
worker must copy their blobs too.
"""

import hashlib
from typing import Final, get_args

import msgspec
from msgspec import Raw, Struct, field

from broker.errors import NotFoundError
from broker.ports import Blobs
from oplog.entries import Entry
from oplog.errors import CorruptLogError
from oplog.limits import INLINE_BYTES_MAX

__all__ = [
    "RAW_FIELDS",
    "belongs_outside",
    "content_digest",
    "equals_reference",
    "externalise",
    "fetch",
    "inline_size",
    "internalise",
    "is_reference",
    "prefix",
    "reference_to",
    "referenced_size",
    "sweep",
]

_MARK: Final = b'{"$blob":'
# Up to this size copying a value is cheaper than a view of it.
_COPIED_BYTES_MAX: Final = 1024


class _Reference(Struct, frozen=True):
    blob: str = field(name="$blob")
    size: int
    sha256: str


_decoder = msgspec.json.Decoder(_Reference)

# Which fields of an entry type hold values.
RAW_FIELDS: Final[dict[type, tuple[str, ...]]] = {
    entry_type: tuple(
        entry_field.name
        for entry_field in msgspec.structs.fields(entry_type)
        if Raw in (entry_field.type, *get_args(entry_field.type))
    )
    for entry_type in get_args(Entry)
}


def prefix(incarnation: str) -> str:
    """Return what the names of all payloads of one incarnation of a worker start with."""
    return f"payload/{incarnation}/"


def is_reference(value: Raw) -> bool:
    """Whether the value lies in the blob store. `fetch` gets it."""
    if len(value) <= _COPIED_BYTES_MAX:
        return bytes(value).startswith(_MARK)
    return bytes(memoryview(value)[: len(_MARK)]) == _MARK


def _goes_outside(value: Raw) -> bool:
    # A guest's own value may look like a reference (a map with a string key): stored as a blob it
    # cannot be mistaken for one.
    return len(value) > INLINE_BYTES_MAX or is_reference(value)


def belongs_outside(entry: Entry, encoded: bytes) -> bool:
    """Whether `entry`, whose encoding is `encoded`, holds a value for the blob store."""
    if len(encoded) <= INLINE_BYTES_MAX and _MARK not in encoded:
        return False
    return any(_goes_outside(value) for _, value in _values(entry))


def inline_size(entry: Entry, encoded: bytes) -> int:
    """Return how many bytes of the encoding cannot go to the blob store."""
    outside = sum(len(value) for _, value in _values(entry) if _goes_outside(value))
    return len(encoded) - outside


def _values(entry: Entry) -> list[tuple[str, Raw]]:
    found: list[tuple[str, Raw]] = []
    for name in RAW_FIELDS[type(entry)]:
        value = getattr(entry, name)
        if isinstance(value, Raw):
            found.append((name, value))
    return found


def _reference(value: Raw, name: str) -> _Reference:
    digest = hashlib.sha256(value).hexdigest()
    return _Reference(blob=f"{name}-{digest[:16]}", size=len(value), sha256=digest)


def reference_to(value: Raw, incarnation: str, index: int) -> Raw:
    """Return what stands for a value that entry `index` keeps in the blob store."""
    return Raw(msgspec.json.encode(_reference(value, f"{prefix(incarnation)}{index}")))


async def externalise(entry: Entry, blobs: Blobs, name: str) -> Entry:
    """Store the large values of `entry` and return it with references in their place.

    `name` is `prefix(incarnation)` and the entry's index. All is stored when this returns.
    """
    changes: dict[str, Raw] = {}
    for field_name, value in _values(entry):
        if _goes_outside(value):
            reference = _reference(value, name)
            await blobs.put(reference.blob, bytes(value))
            changes[field_name] = Raw(msgspec.json.encode(reference))
    return msgspec.structs.replace(entry, **changes) if changes else entry


async def fetch(value: Raw, blobs: Blobs) -> Raw:
    """Return the value behind a reference, or `value` itself if it is none.

    Raises:
        CorruptLogError: the blob is gone or is not what was stored.
    """
    if not is_reference(value):
        return value
    reference = _decoder.decode(value)
    try:
        data = await blobs.get(reference.blob)
    except NotFoundError as error:
        message = f"payload {reference.blob!r} of {reference.size} bytes is not in the blob store"
        raise CorruptLogError(message) from error
    found = hashlib.sha256(data).hexdigest()
    if found != reference.sha256:
        message = (
            f"payload {reference.blob!r} has {len(data)} bytes with SHA-256 {found}, recorded "
            f"were {reference.size} bytes with {reference.sha256}"
        )
        raise CorruptLogError(message)
    return Raw(data)


async def internalise(entries: tuple[Entry, ...], blobs: Blobs) -> tuple[Entry, ...]:
    """Return the entries with all their values inside.

    Raises:
        CorruptLogError: a blob is gone or is not what was stored.
    """
    whole: list[Entry] = []
    for entry in entries:
        changes = {
            name: await fetch(value, blobs) for name, value in _values(entry) if is_reference(value)
        }
        whole.append(msgspec.structs.replace(entry, **changes) if changes else entry)
    return tuple(whole)


def equals_reference(value: Raw, reference: Raw) -> bool:
    """Whether `value` is byte for byte what `reference` stands for, without fetching it."""
    recorded = _decoder.decode(reference)
    return recorded.size == len(value) and recorded.sha256 == hashlib.sha256(value).hexdigest()


def content_digest(value: Raw) -> str:
    """Return the SHA-256 of a value, in hex, whether it is here or referred to."""
    if is_reference(value):
        return _decoder.decode(value).sha256
    return hashlib.sha256(value).hexdigest()


def referenced_size(reference: Raw) -> int:
    """Return how many bytes the value behind a reference has."""
    return _decoder.decode(reference).size


async def sweep(blobs: Blobs, incarnation: str) -> int:
    """Delete all payloads of a deleted worker's incarnation; return how many there were."""
    names = await blobs.names(prefix(incarnation))
    for name in names:
        await blobs.delete(name)
    return len(names)
