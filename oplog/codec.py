"""Commits as bytes: JSON with a format version, compressed when large, hashed into a chain.

The body is one JSON object, `{"v", "first", "previous", "invoked", "control", "sent", "entries"}`.
Its hash is the first 128 bits of SHA-256 in hexadecimal over the uncompressed body. The body holds
the hash of the commit before it, so the hash of the last commit vouches for the whole log, and
anybody can check it with `sha256sum`. It stands in the header `Shem-Hash`.

Nothing here is secret or signed: the chain notices damage, not malice.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

import msgspec
import zstandard
from msgspec import Raw, Struct

from oplog import headers as commit_headers
from oplog.commit import Commit, Marks
from oplog.entries import Entry
from oplog.errors import CorruptLogError, UnknownEntryError, UnknownVersionError
from oplog.headers import Peek
from oplog.limits import COMPRESS_BYTES_MIN, COMPRESS_LEVEL, DECOMPRESSED_BYTES_MAX

__all__ = [
    "FORMAT_VERSION",
    "Encoded",
    "body_of",
    "decode",
    "encode",
    "encode_entry",
    "hash_of",
    "previous_of",
    "seal",
    "type_name",
]

FORMAT_VERSION: Final = 1
HASH_CHARACTERS: Final = 32


class Encoded(Struct, frozen=True):
    """A commit ready to be appended."""

    data: bytes
    headers: dict[str, str]
    hash: str


class _Written(Struct):
    v: int
    first: int
    previous: str
    invoked: int
    control: int
    sent: int
    entries: list[Raw]


class _Read(Struct):
    v: int
    first: int
    previous: str
    invoked: int
    control: int
    sent: int
    entries: tuple[Entry, ...]


class _Link(Struct):
    previous: str


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Read)
_link_decoder = msgspec.json.Decoder(_Link)
_compressor = zstandard.ZstdCompressor(level=COMPRESS_LEVEL, write_checksum=False)
_decompressor = zstandard.ZstdDecompressor()

encode_entry = _encoder.encode


# Every entry class is declared with a string as its tag.
_NAME_OF: Final[dict[type, str]] = {
    entry_type: str(entry_type.__struct_config__.tag) for entry_type in get_args(Entry)
}
TYPE_NAMES: Final = frozenset(_NAME_OF.values())


def type_name(entry: Entry) -> str:
    """Return the name that stands in the entry's `type`."""
    return _NAME_OF[type(entry)]


def hash_of(body: bytes) -> str:
    """Return the hash of an uncompressed body."""
    return hashlib.sha256(body).hexdigest()[:HASH_CHARACTERS]


def encode(first: int, entries: Sequence[Entry], marks: Marks, previous: str) -> Encoded:
    """Return the commit of `entries`, whose first has index `first`, chained over `previous`."""
    return seal(first, entries, [encode_entry(entry) for entry in entries], marks, previous)


def seal(
    first: int, entries: Sequence[Entry], chunks: Sequence[bytes], marks: Marks, previous: str
) -> Encoded:
    """Return the commit of entries that are encoded already, as `chunks`."""
    assert chunks, "a commit holds at least one entry"
    assert len(chunks) == len(entries), "one chunk for each entry"
    body = _encoder.encode(
        _Written(
            v=FORMAT_VERSION,
            first=first,
            previous=previous,
            invoked=marks.invoked,
            control=marks.control,
            sent=marks.sent,
            entries=[Raw(chunk) for chunk in chunks],
        )
    )
    hash_ = hash_of(body)
    data = _compressor.compress(body) if len(body) >= COMPRESS_BYTES_MIN else body
    compressed = len(data) < len(body)
    return Encoded(
        data=data if compressed else body,
        headers=commit_headers.build(
            first=first,
            types=tuple([_NAME_OF[type(entry)] for entry in entries]),
            marks=marks,
            hash_=hash_,
            compressed=compressed,
        ),
        hash=hash_,
    )


def body_of(data: bytes, headers: Mapping[str, str], *, sequence: int | None = None) -> bytes:
    """Return the uncompressed body of a commit, after comparing it with its hash.

    Raises:
        CorruptLogError: damaged.
    """
    return _intact(data, commit_headers.peek(headers, sequence=sequence), sequence)


def _intact(data: bytes, peek: Peek, sequence: int | None) -> bytes:
    body = _uncompressed(data, peek, sequence)
    found_hash = hash_of(body)
    if found_hash != peek.hash:
        message = f"commit has the hash {found_hash} but its header says {peek.hash}: damaged"
        raise CorruptLogError(message, index=peek.first, sequence=sequence)
    return body


def previous_of(data: bytes, headers: Mapping[str, str], *, sequence: int | None = None) -> str:
    """Return the hash of the commit before, as a commit says it.

    Raises:
        CorruptLogError: damaged.
    """
    body = body_of(data, headers, sequence=sequence)
    try:
        return _link_decoder.decode(body).previous
    except msgspec.DecodeError as error:
        raise CorruptLogError(f"commit is no commit: {error}", sequence=sequence) from error


def decode(
    data: bytes,
    headers: Mapping[str, str],
    *,
    expected_first: int,
    expected_previous: str | None,
    sequence: int | None = None,
    peek: Peek | None = None,
) -> Commit:
    """Return the commit, after checking that it is intact and follows the one before.

    `peek` is what its headers say, if they have been read already.
    `expected_previous` None leaves the link unchecked, which is right only for a tombstone, since
    the log before it may be gone. Values of the entries are views into the decoded body.

    Raises:
        CorruptLogError: damaged, or not the commit that was expected here.
        UnknownVersionError: the format is newer than this release.
        UnknownEntryError: an entry type is newer than this release.
    """
    if peek is None:
        peek = commit_headers.peek(headers, sequence=sequence)
    body = _intact(data, peek, sequence)
    try:
        read = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _explain(body, peek, sequence, error) from error
    if read.v != FORMAT_VERSION:
        raise UnknownVersionError(read.v, index=peek.first, sequence=sequence)
    marks = Marks(invoked=read.invoked, control=read.control, sent=read.sent)
    commit = Commit(read.first, read.entries, marks, read.previous, peek.hash)
    _check(commit, peek, expected_first, expected_previous, sequence)
    return commit


def _uncompressed(data: bytes, peek: Peek, sequence: int | None) -> bytes:
    if not peek.compressed:
        return data
    try:
        size = zstandard.frame_content_size(data)
        if 0 <= size <= DECOMPRESSED_BYTES_MAX:
            return _decompressor.decompress(data, max_output_size=DECOMPRESSED_BYTES_MAX)
        message = f"compressed commit says it holds {size} bytes, at most {DECOMPRESSED_BYTES_MAX}"
        raise CorruptLogError(message, index=peek.first, sequence=sequence)
    except zstandard.ZstdError as error:
        message = f"compressed commit cannot be decompressed: {error}"
        raise CorruptLogError(message, index=peek.first, sequence=sequence) from error


def _check(
    commit: Commit,
    peek: Peek,
    expected_first: int,
    expected_previous: str | None,
    sequence: int | None,
) -> None:
    problem = None
    if (commit.first, commit.last, commit.marks) != (peek.first, peek.last, peek.marks):
        problem = f"headers contradict the body: {peek} beside {commit.first} to {commit.last}"
    elif commit.first != expected_first:
        problem = f"commit begins with entry {commit.first} where {expected_first} should follow"
    elif expected_previous is not None and commit.previous != expected_previous:
        problem = (
            f"commit follows one with the hash {commit.previous or 'of nothing'}, but the one "
            f"before it has {expected_previous or 'none'}"
        )
    elif not commit.entries:
        problem = "commit without entries"
    if problem is not None:
        raise CorruptLogError(problem, index=expected_first, sequence=sequence)


def _explain(body: bytes, peek: Peek, sequence: int | None, error: Exception) -> CorruptLogError:
    """Say why an intact body does not decode: mostly, a newer release has written it."""
    try:
        # The shape is exactly what is in doubt here, so nothing is known of the value's type.
        value: Any = msgspec.json.decode(body)
        version, entries = value["v"], value["entries"]
        if version != FORMAT_VERSION:
            return UnknownVersionError(version, index=peek.first, sequence=sequence)
        for offset, entry in enumerate(entries):
            name = entry["type"]
            if name not in TYPE_NAMES:
                return UnknownEntryError(name, index=peek.first + offset, sequence=sequence)
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError):
        pass
    message = f"commit is no commit: {error}"
    return CorruptLogError(message, index=peek.first, sequence=sequence)
