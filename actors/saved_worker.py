"""The blob of a snapshot: a guest between two invocations, and the keys of its worker.

    magic (8) | MessagePack map

Of a component with secrets all of it is encrypted, under another magic. Its SHA-256 stands in the
pointer that names it. Fields are only ever added, with defaults.
"""

import hashlib
from typing import Final

import msgspec
import zstandard
from msgspec import Struct

from actors.engine.errors import SnapshotRefusedError, SnapshotUnusableError
from actors.secrets import KeysError, SecretStore
from broker.errors import NotFoundError
from broker.ports import Blobs
from oplog.key_index import EMPTY, KeyIndex, OutcomeRef
from oplog.region_entries import PersistenceLevel
from oplog.snapshots import Base

__all__ = [
    "SavedGuest",
    "SavedResources",
    "SavedWorker",
    "compressed",
    "concealed",
    "encode",
    "fetch",
]

VERSION: Final = 1
_MAGIC: Final = b"SHEMWORK"
# What follows is encrypted, and such a blob inside.
_CONCEALED: Final = b"SHEMHIDE"
_LEVEL: Final = 1
HOST_BYTES_MAX: Final = 256 << 20


class SavedResources(Struct, frozen=True):
    """How many resources of a guest were given out, and those that others still hold.

    For each its number, its type and the guest's own integer.
    """

    count: int = 0
    held: tuple[tuple[int, int, int], ...] = ()


class SavedGuest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An instance, the host's objects that it holds, and what it chose of its journal.

    `host` is compressed; `resources` are the guest's own that others hold. `level` and
    `idempotent` are those of `actors.journal`. With `words_of`, the digest of the component,
    `image` is what its own `save-snapshot` returned, and there are no host's objects.
    """

    image: bytes
    host: bytes
    level: PersistenceLevel = "smart"
    idempotent: bool = True
    resources: SavedResources = SavedResources()
    words_of: str = ""

    def host_data(self) -> bytes:
        """Return the host's objects as `actors.host.saving` wrote them.

        Raises:
            SnapshotUnusableError: damaged, or larger than any that is saved.
        """
        try:
            size = zstandard.frame_content_size(self.host)
            if not 0 <= size <= HOST_BYTES_MAX:
                raise SnapshotUnusableError(f"the host's objects say that they take {size} bytes")
            return zstandard.ZstdDecompressor().decompress(self.host)
        except zstandard.ZstdError as error:
            raise SnapshotUnusableError(f"the host's objects do not decompress: {error}") from error


class SavedWorker(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`segments` are those of a `KeyIndex`; `open_keys` those whose messages may still wait.

    `begun` are the indices where invocations begin, as 64-bit integers of this machine's order;
    `promises` what they were completed with, by the entry that made them.
    `consumed_index` and `consumed_ms` say which entry was consumed last, and when.
    """

    v: int
    guest: SavedGuest
    consumed_index: int
    consumed_ms: int
    segments: tuple[bytes, ...] = ()
    open_keys: tuple[tuple[str, OutcomeRef], ...] = ()
    begun: bytes = b""
    promises: tuple[tuple[int, bytes], ...] = ()

    def keys(self) -> KeyIndex:
        """Return the keys."""
        return KeyIndex(self.segments) if self.segments else EMPTY


_decode = msgspec.msgpack.Decoder(SavedWorker).decode
_encode = msgspec.msgpack.Encoder().encode


def compressed(host: bytes) -> bytes:
    """Return the host's objects as `SavedGuest.host` holds them."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(host)


def encode(saved: SavedWorker) -> bytes:
    """Return the blob."""
    return _MAGIC + _encode(saved)


def concealed(data: bytes, component: str, secrets: SecretStore) -> bytes:
    """Encrypt a blob whose guest may hold secrets in its memory.

    Raises:
        SnapshotRefusedError: this executor has no keys.
    """
    try:
        sealed = secrets.keys.seal(data, bound_to=f"a snapshot of {component}")
    except KeysError as error:
        raise SnapshotRefusedError(str(error)) from error
    return _CONCEALED + sealed


def _revealed(data: bytes, component: str, secrets: SecretStore) -> bytes:
    try:
        return secrets.keys.open(data[len(_CONCEALED) :], bound_to=f"a snapshot of {component}")
    except KeysError as error:
        raise SnapshotUnusableError(str(error)) from error


async def fetch(blobs: Blobs, base: Base, secrets: SecretStore) -> SavedWorker:
    """Read the blob that `base` names.

    Raises:
        SnapshotUnusableError: gone, damaged, or of another format.
        UnavailableError: the broker does not answer now.
    """
    try:
        data = await blobs.get(base.blob)
    except NotFoundError as error:
        raise SnapshotUnusableError(f"the snapshot {base.blob} is gone") from error
    if hashlib.sha256(data).hexdigest() != base.sha256:
        raise SnapshotUnusableError(
            f"the snapshot {base.blob} of {len(data)} bytes is damaged: wrong checksum"
        )
    if data[: len(_CONCEALED)] == _CONCEALED:
        data = _revealed(data, base.created.component, secrets)
    if data[: len(_MAGIC)] != _MAGIC:
        raise SnapshotUnusableError(f"{base.blob} is no snapshot of a worker")
    try:
        saved = _decode(memoryview(data)[len(_MAGIC) :])
        saved.keys()
    except (msgspec.DecodeError, ValueError) as error:
        raise SnapshotUnusableError(f"{base.blob} has another format: {error}") from error
    if saved.v != VERSION:
        raise SnapshotUnusableError(
            f"{base.blob} has format version {saved.v}, this release reads {VERSION}"
        )
    return saved
