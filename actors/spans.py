"""Spans, and who exports them.

Our own, and not the SDK's: an invocation has three, and one of the SDK's takes ten times as long to
begin, to end and to write as one of these. Numbers and meanings are OTLP's.
"""

import os
import time
from enum import IntEnum
from typing import Final, NamedTuple, Protocol, final
from zlib import crc32

from msgspec import Struct

__all__ = ["Kind", "Link", "Place", "Sampling", "Sink", "Span", "install", "installed"]

_RATIO_DIGITS: Final = 14
_CRC_END: Final = 1 << 32
_BITS_PER_DIGIT: Final = 4
_MESSAGE_CHARACTERS_MAX: Final = 200


class Kind(IntEnum):
    """What a span is to its parent."""

    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


class Place(NamedTuple):
    """Where in a trace a span is; identifiers are hexadecimal text."""

    trace_id: str
    parent_id: str | None
    state: str | None


class Link(NamedTuple):
    """A span of another time that has caused this one, and in what way."""

    trace_id: str
    span_id: str
    cause: str


class Sampling(Struct, frozen=True):
    """Which traces are recorded.

    Of those that begin here as many as `ratio` says. Of others those that their callers record,
    and where nobody `follows` callers, again only as many.
    """

    ratio: float
    follows: bool = True

    def begins(self, named: str) -> bool:
        """Whether what begins under a name of its own is recorded; the same wherever it is asked.

        Not by the id of its trace, as of other traces: it is a UUID, whose last 64 bits begin with
        two that are always the same, so that no small ratio would ever record one.
        """
        return crc32(named.encode()) < self.ratio * _CRC_END

    def goes_on(self, trace_id: str) -> bool:
        """Whether a trace is recorded here, too, that its caller records."""
        if self.follows or self.ratio >= 1.0:
            return True
        bits = _RATIO_DIGITS * _BITS_PER_DIGIT
        return int(trace_id[-_RATIO_DIGITS:], 16) < self.ratio * (1 << bits)


class Sink(Protocol):
    """Exports spans."""

    @property
    def sampling(self) -> Sampling:
        """Which ones it wants."""
        ...

    def take(self, span: "Span") -> None:
        """Export a span that has ended, some time soon; never waits and never fails."""
        ...


@final
class Span:
    """A span that has begun; times in nanoseconds of Unix time."""

    __slots__ = (
        "_sink",
        "attributes",
        "begun_ns",
        "ended_ns",
        "error",
        "kind",
        "link",
        "name",
        "place",
        "span_id",
    )

    def __init__(
        self,
        sink: Sink,
        place: Place,
        name: str,
        kind: Kind = Kind.INTERNAL,
        attributes: dict[str, str | int] | None = None,
        *,
        begun_ns: int | None = None,
        span_id: str | None = None,
        link: Link | None = None,
    ) -> None:
        self._sink = sink
        self.place = place
        self.name = name
        self.kind = kind
        self.attributes: dict[str, str | int] = {} if attributes is None else attributes
        self.span_id = os.urandom(8).hex() if span_id is None else span_id
        self.link = link
        self.error: str | None = None
        self.ended_ns = 0
        self.begun_ns = time.time_ns() if begun_ns is None else begun_ns

    @property
    def traceparent(self) -> str:
        """The trace context of what it causes, by W3C."""
        return f"00-{self.place.trace_id}-{self.span_id}-01"

    def child(self, name: str, *, begun_ns: int) -> "Span":
        """Begin a span below it."""
        return Span(
            self._sink,
            Place(self.place.trace_id, self.span_id, self.place.state),
            name,
            begun_ns=begun_ns,
        )

    def fail(self, kind: str, message: str) -> None:
        """Say that what it is about has failed."""
        self.error = message[:_MESSAGE_CHARACTERS_MAX]
        self.attributes["error.type"] = kind

    def end(self, ended_ns: int | None = None) -> None:
        """It is over, and exported; the first end counts."""
        if not self.ended_ns:
            self.ended_ns = time.time_ns() if ended_ns is None else ended_ns
            self._sink.take(self)


_installed: list[Sink] = []


def install(sink: Sink | None) -> None:
    """Have `sink` export the spans of what runs in this process; before anything runs."""
    _installed[:] = [] if sink is None else [sink]


def installed() -> Sink | None:
    """Return what exports spans, None if nothing does."""
    return _installed[0] if _installed else None
