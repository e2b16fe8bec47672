"""Spans as OTLP writes them: the protobuf encoding of what a collector is sent.

Written here and not by the protobuf library, whose objects take several times as long to make as
the bytes themselves; a span is encoded by whoever ends it, in a few microseconds. Compared with the
library's own reading in `tests/unit/shem/test_otlp.py`.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from actors.spans import Link, Span

__all__ = ["ATTRIBUTES_MAX", "REMOTE", "batch", "encode", "scope"]

ATTRIBUTES_MAX: Final = 128
"""Attributes of one span; more are left out, and counted."""

REMOTE: Final = 0x300
"""The flags of a span whose parent may be in another process."""

_NAMES_MAX: Final = 1_024
_KNOWN_MAX: Final = 8_192
_NEVER_TWICE: Final = frozenset({"shem.idempotency_key", "messaging.message.id"})
_BYTE: Final = tuple(bytes([number]) for number in range(128))
# What stands before a text of so many bytes in the value of an attribute.
_HEADS: Final = tuple(bytes([0x12, size + 2, 0x0A, size]) for size in range(124))
_ERROR: Final = b"\x18\x02"
_REMOTE: Final = b"\x85\x01" + REMOTE.to_bytes(4, "little")


def encode(span: Span) -> bytes:
    """Return the span as a field of its scope."""
    place = span.place
    parts = [
        b"\x0a\x10",
        bytes.fromhex(place.trace_id),
        b"\x12\x08",
        bytes.fromhex(span.span_id),
        _text(b"\x2a", span.name),
        b"\x30",
        _BYTE[span.kind],
        b"\x39",
        span.begun_ns.to_bytes(8, "little"),
        b"\x41",
        span.ended_ns.to_bytes(8, "little"),
        _REMOTE,
    ]
    if place.parent_id is not None:
        parts += (b"\x22\x08", bytes.fromhex(place.parent_id))
    if place.state:
        parts.append(_text(b"\x1a", place.state))
    attributes = span.attributes
    if len(attributes) > ATTRIBUTES_MAX:
        parts += (b"\x50", _varint(len(attributes) - ATTRIBUTES_MAX))
        attributes = dict(list(attributes.items())[:ATTRIBUTES_MAX])
    parts += [_field(name, value) for name, value in attributes.items()]
    if span.link is not None:
        parts.append(_sized(b"\x6a", _link(span.link)))
    if span.error is not None:
        parts.append(_sized(b"\x7a", _text(b"\x12", span.error) + _ERROR))
    return _sized(b"\x12", b"".join(parts))


def scope(resource: Mapping[str, str], name: str) -> tuple[bytes, bytes]:
    """Return what `batch` needs to know of whose spans they are."""
    described = b"".join(_attribute(b"\x0a", key, value) for key, value in resource.items())
    return _sized(b"\x0a", described), _sized(b"\x0a", _text(b"\x0a", name))


def batch(whose: tuple[bytes, bytes], spans: Iterable[bytes]) -> bytes:
    """Return a request that exports encoded spans."""
    resource, scope_ = whose
    return _sized(b"\x0a", resource + _sized(b"\x12", b"".join((scope_, *spans))))


def _field(name: str, value: str | int) -> bytes:
    """Return an attribute of a span; those that are the same again and again are kept."""
    return _fresh(name, value) if name in _NEVER_TWICE else _known(name, value)


@lru_cache(maxsize=_KNOWN_MAX)
def _known(name: str, value: str | int) -> bytes:
    return _fresh(name, value)


def _fresh(name: str, value: str | int) -> bytes:
    return _attribute(b"\x4a", name, value)


def _attribute(tag: bytes, name: str, value: str | int) -> bytes:
    if isinstance(value, str):
        raw = value.encode("utf-8", "replace")
        size, key = len(raw), _key(name)
        inner = len(key) + size + 4
        if inner < 128:
            # The usual case, where no length takes more than a byte: the same as below.
            return b"".join((tag, _BYTE[inner], key, _HEADS[size], raw))
        held = _sized(b"\x0a", raw)
    else:
        held = b"\x18" + _varint(value & 0xFFFF_FFFF_FFFF_FFFF)
    return _sized(tag, _key(name) + _sized(b"\x12", held))


@lru_cache(maxsize=_NAMES_MAX)
def _key(name: str) -> bytes:
    return _text(b"\x0a", name)


def _link(link: Link) -> bytes:
    return (
        _sized(b"\x0a", bytes.fromhex(link.trace_id))
        + _sized(b"\x12", bytes.fromhex(link.span_id))
        + _attribute(b"\x22", "shem.cause", link.cause)
    )


def _text(tag: bytes, text: str) -> bytes:
    return _sized(tag, text.encode("utf-8", "replace"))


def _sized(tag: bytes, content: bytes) -> bytes:
    size = len(content)
    return tag + (_BYTE[size] if size < 128 else _varint(size)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
