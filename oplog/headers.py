"""The headers of a commit: what can be known of it without decoding its body.

They repeat what the body says, apart from the hash, which only stands here. An executor reads them
of the last commit alone to see whether a delivery was consumed already, before it loads a worker.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

from oplog.commit import Marks
from oplog.errors import CorruptLogError

__all__ = ["ENCODING", "ZSTD", "Peek", "build", "mentions", "peek"]

FIRST: Final = "Shem-First"
LAST: Final = "Shem-Last"
TYPES: Final = "Shem-Types"
HASH: Final = "Shem-Hash"
INVOKED: Final = "Shem-Invoked"
CONTROL: Final = "Shem-Control"
SENT: Final = "Shem-Sent"
ENCODING: Final = "Shem-Encoding"
ZSTD: Final = "zstd"


class Peek(Struct, frozen=True):
    """What the headers of a commit say."""

    first: int
    last: int
    hash: str
    marks: Marks
    compressed: bool

    @property
    def is_tombstone(self) -> bool:
        """Whether the worker ended here."""
        return self.first == 0


def build(
    *, first: int, types: tuple[str, ...], marks: Marks, hash_: str, compressed: bool
) -> dict[str, str]:
    """Return the headers of a commit whose entries have these type names, in order."""
    size = len(types)
    headers = {
        FIRST: str(first),
        LAST: str(first + size - 1),
        TYPES: _usual(types) if size <= _USUAL_TYPES_MAX else _counted(types),
        HASH: hash_,
        INVOKED: str(marks.invoked),
        CONTROL: str(marks.control),
        SENT: str(marks.sent),
    }
    if compressed:
        headers[ENCODING] = ZSTD
    return headers


def _counted(types: tuple[str, ...]) -> str:
    counts: dict[str, int] = {}
    for name in types:
        counts[name] = counts.get(name, 0) + 1
    return ",".join(name if n == 1 else f"{name}*{n}" for name, n in counts.items())


# Most commits are small and hold the same few types.
_USUAL_TYPES_MAX: Final = 4
_usual = lru_cache(maxsize=256)(_counted)


def peek(headers: Mapping[str, str], *, sequence: int | None = None) -> Peek:
    """Read the headers of the commit at stream `sequence`.

    Raises:
        CorruptLogError: one is missing or no number, or the encoding is unknown.
    """
    encoding = headers.get(ENCODING)
    if encoding not in {None, ZSTD}:
        message = f"commit has the unknown {ENCODING} {encoding!r}"
        raise CorruptLogError(message, sequence=sequence)
    try:
        return Peek(
            first=_number(headers[FIRST]),
            last=_number(headers[LAST]),
            hash=headers[HASH],
            marks=Marks(
                invoked=_number(headers[INVOKED]),
                control=_number(headers[CONTROL]),
                sent=_number(headers[SENT]),
            ),
            compressed=encoding is not None,
        )
    except KeyError as error:
        message = f"commit lacks the header {error.args[0]}"
        raise CorruptLogError(message, sequence=sequence) from None
    except ValueError:
        message = f"commit has a header that should be a number and is not: {dict(headers)!r}"
        raise CorruptLogError(message, sequence=sequence) from None


def mentions(headers: Mapping[str, str], types: frozenset[str]) -> bool:
    """Whether the commit holds an entry of one of these types; without the header, it may."""
    listed = headers.get(TYPES)
    return listed is None or _lists(listed, types)


# Asked three times of each commit of a log that is loaded, and nearly always the same.
@lru_cache(maxsize=256)
def _lists(listed: str, types: frozenset[str]) -> bool:
    return any(name.partition("*")[0] in types for name in listed.split(","))


def _number(text: str) -> int:
    # int() alone would also take signs, spaces and underscores, which nobody writes.
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text)
