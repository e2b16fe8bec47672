"""A saved instance as bytes.

    magic (8) | SHA-256 of the rest (32) | MessagePack map

Fields are only ever added, with defaults, so that every image decodes for ever; `VERSION` is raised
when an old reader would misunderstand a new image. An image holds no addresses and nothing of
wasmtime's: memories, globals and tables are named by the core instance that defines them.
"""

import hashlib
from typing import Final

import msgspec
from msgspec import Struct

from actors.engine.errors import SnapshotUnusableError

__all__ = [
    "VERSION",
    "Binding",
    "FunctionName",
    "GlobalImage",
    "HandleImage",
    "HandleTableImage",
    "Image",
    "MemoryImage",
    "TableImage",
    "decode",
    "encode",
]

VERSION: Final = 1
_MAGIC: Final = b"SHEMSNAP"
_DIGEST_BYTES: Final = 32


class Binding(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an image belongs to.

    `component` is the SHA-256 of its bytes, `layout` that of how it is split into pieces of state,
    `configuration` that of the settings which decide what a guest computes. Neither wasmtime's
    version nor the kind of processor is among them: memories mean the same everywhere.
    """

    component: str
    layout: str
    configuration: str


class FunctionName(Struct, frozen=True, omit_defaults=True):
    """A function of core instance `slot`: its export `name`, or the first contents of a table.

    With `element` it is what that element of the table `name` holds from the start.
    """

    slot: int
    name: str
    element: int | None = None


class MemoryImage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A memory of `size` bytes, as the pages that differ from a new instance's.

    `pages` are their numbers as little-endian 32-bit integers, `data` their contents one after the
    other, compressed.
    """

    slot: int
    name: str
    size: int
    pages: bytes = b""
    data: bytes = b""


class GlobalImage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A mutable global: a number unlike a new instance's, or a reference (None: null)."""

    slot: int
    name: str
    kind: int
    value: bytes = b""
    function: FunctionName | None = None


class TableImage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`size` in elements; `changed` those that differ from a new instance's (None: null)."""

    slot: int
    name: str
    size: int
    changed: tuple[tuple[int, FunctionName | None], ...] = ()


class HandleImage(Struct, frozen=True):
    """`representation` is the guest's own integer, or the position among the host's objects."""

    resource: int
    representation: int


class HandleTableImage(Struct, frozen=True):
    """Entries by index, from 0; free indices in the order in which they were freed."""

    entries: tuple[HandleImage | None, ...]
    free: tuple[int, ...]


class Image(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All of an instance that its component does not say already."""

    version: int = VERSION
    binding: Binding
    memories: tuple[MemoryImage, ...] = ()
    globals: tuple[GlobalImage, ...] = ()
    tables: tuple[TableImage, ...] = ()
    handles: tuple[HandleTableImage, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Image).decode


def encode(image: Image) -> bytes:
    """Return the image as bytes."""
    # The version is always written, although it is the default.
    body = _encode({"version": image.version, **msgspec.structs.asdict(image)})
    return _MAGIC + hashlib.sha256(body).digest() + body


def decode(data: bytes, binding: Binding) -> Image:
    """Return the image, after checking that it is intact and belongs to `binding`.

    Raises:
        SnapshotUnusableError: it does not; the message says in what.
    """
    start = len(_MAGIC) + _DIGEST_BYTES
    if data[: len(_MAGIC)] != _MAGIC:
        raise SnapshotUnusableError(f"no snapshot: it begins with {data[:8]!r}, not {_MAGIC!r}")
    body = memoryview(data)[start:]
    if hashlib.sha256(body).digest() != data[len(_MAGIC) : start]:
        raise SnapshotUnusableError(f"the snapshot of {len(data)} bytes is damaged: wrong checksum")
    try:
        image = _decode(body)
    except msgspec.DecodeError as error:
        raise SnapshotUnusableError(f"the snapshot has another format: {error}") from error
    if image.version != VERSION:
        raise SnapshotUnusableError(
            f"the snapshot has format version {image.version}, this release reads {VERSION}"
        )
    for what in ("component", "configuration", "layout"):
        found, expected = getattr(image.binding, what), getattr(binding, what)
        if found != expected:
            raise SnapshotUnusableError(
                f"the snapshot was made with another {what}: {found[:12]}, here it is "
                f"{expected[:12]}"
            )
    return image
