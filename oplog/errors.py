"""Errors of the oplog package.

    OplogError
    ├── RetryableError            load the worker again and go on
    │   └── WriterStoppedError    the writer was stopped; what was not committed never happened
    ├── TerminalError             the same bytes or the same guest fail again
    │   ├── CorruptLogError       a hole, a flipped bit, a lost payload: never replay past it
    │   │   ├── UnknownVersionError  written in a format that this release does not know
    │   │   └── UnknownEntryError    holds an entry type that this release does not know
    │   ├── DivergenceError       the guest did something else than the log says
    │   ├── EntryTooLargeError    an entry that no commit can hold
    │   └── QueryError            a search query that does not parse
    └── InternalError             our bug

Errors of the broker pass through unchanged.
"""

__all__ = [
    "CorruptLogError",
    "DivergenceError",
    "EntryTooLargeError",
    "InternalError",
    "OplogError",
    "QueryError",
    "RetryableError",
    "TerminalError",
    "UnknownEntryError",
    "UnknownVersionError",
    "WriterStoppedError",
]


class OplogError(Exception):
    """Anything that goes wrong with the journal of a worker."""


class RetryableError(OplogError):
    """The same call may succeed after the worker was loaded again."""


class TerminalError(OplogError):
    """The same call fails again."""


class InternalError(OplogError):
    """A bug of ours."""


class WriterStoppedError(RetryableError):
    """The writer takes nothing more and what it had not committed is dropped."""


class CorruptLogError(TerminalError):
    """The stored log is not what was written.

    `index` is the entry (or the first entry of the commit) and `sequence` the stream sequence of
    the commit, as far as they are known.
    """

    def __init__(
        self, message: str, *, index: int | None = None, sequence: int | None = None
    ) -> None:
        place = [] if index is None else [f"entry {index}"]
        if sequence is not None:
            place.append(f"stream sequence {sequence}")
        super().__init__(f"{message} (at {', '.join(place)})" if place else message)
        self.index = index
        self.sequence = sequence


class UnknownVersionError(CorruptLogError):
    """A commit in a format that this release cannot read; a newer release wrote it. Upgrade."""

    def __init__(
        self, version: object, *, index: int | None = None, sequence: int | None = None
    ) -> None:
        super().__init__(
            f"commit has format version {version!r}, which this release does not know: run a "
            "release at least as new as the one that wrote it",
            index=index,
            sequence=sequence,
        )
        self.version = version


class UnknownEntryError(CorruptLogError):
    """An entry of a type that this release does not know; a newer release wrote it. Upgrade."""

    def __init__(
        self, type_name: object, *, index: int | None = None, sequence: int | None = None
    ) -> None:
        super().__init__(
            f"entry has type {type_name!r}, which this release does not know: run a release at "
            "least as new as the one that wrote it",
            index=index,
            sequence=sequence,
        )
        self.type_name = type_name


class DivergenceError(TerminalError):
    """Replay left the recorded path: the log holds `expected` at `index`, the guest did `got`.

    The guest depends on something that was not recorded, or the component is another one.
    """

    def __init__(self, expected: str, got: str, index: int) -> None:
        super().__init__(f"replay diverged at entry {index}: the log has {expected}, not {got}")
        self.expected = expected
        self.got = got
        self.index = index


class EntryTooLargeError(TerminalError):
    """An entry above `limits.ENTRY_BYTES_MAX` apart from what can go to the blob store."""


class QueryError(TerminalError):
    """A search query that does not parse. `column` counts from 1."""

    def __init__(self, message: str, *, column: int) -> None:
        super().__init__(f"{message} (column {column})")
        self.column = column
