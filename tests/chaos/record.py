"""What a client did and heard, on disk as it happens: one JSON object a line."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import msgspec
from msgspec import Struct, field

from tests.chaos.operations import Operation

__all__ = ["Attempted", "Heard", "Notes", "Recorder", "Stored", "read"]


class Attempted(Struct, frozen=True, tag="attempted"):
    """The operation is about to be published: it may have happened from now on."""

    operation: Operation
    at_s: float = 0.0
    """When, in Unix time."""


class Stored(Struct, frozen=True, tag="stored"):
    """The broker acknowledged the operation: it must happen."""

    key: str
    sequence: int


class Heard(Struct, frozen=True, tag="heard"):
    """An outcome arrived, `after_s` seconds after the publication, at a Unix time."""

    key: str
    outcome: dict[str, Any]
    after_s: float
    at_s: float = 0.0


_Line: TypeAlias = Attempted | Stored | Heard


class Notes(Struct):
    """All that some clients recorded, by key. An outcome heard twice stands there twice."""

    attempted: dict[str, Operation]
    stored: dict[str, int]
    heard: dict[str, list[Heard]]
    attempted_s: dict[str, float] = field(default_factory=dict[str, float])
    """When each operation was about to be published, in Unix time."""


class Recorder:
    """Appends lines to a file. Each line reaches the operating system before the call returns."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def write(self, line: _Line) -> None:
        """Append one line."""
        self._file.write(msgspec.json.encode(line) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def read(paths: Iterable[Path]) -> Notes:
    """Read what the clients recorded. A last line cut off by a kill is left out."""
    notes = Notes(attempted={}, stored={}, heard={})
    decoder = msgspec.json.Decoder(_Line)
    for path in paths:
        for raw in path.read_bytes().splitlines(keepends=True):
            if not raw.endswith(b"\n"):
                continue
            match decoder.decode(raw):
                case Attempted(operation=operation, at_s=at_s):
                    notes.attempted[operation.key] = operation
                    notes.attempted_s[operation.key] = at_s
                case Stored(key=key, sequence=sequence):
                    notes.stored[key] = sequence
                case Heard(key=key) as heard:
                    notes.heard.setdefault(key, []).append(heard)
    return notes
