"""What the log says when a worker is loaded: one pass over it, before any guest runs.

From this it is decided whether a guest is needed at all: a suspended, failed or idle worker without
work is understood without replay.
"""

from typing import final

from msgspec import Raw

from oplog import payloads
from oplog.entries import (
    Create,
    Entry,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    InvocationRejected,
)
from oplog.reader import LoadedLog
from oplog.replay import OutcomeRef
from oplog.status import StatusFold

__all__ = ["Past"]


@final
class Past:
    """A worker's history, folded.

    `unsent` are the entries whose messages may not have left the executor that wrote them.
    """

    def __init__(self, log: LoadedLog) -> None:
        self.created: Create | None = None
        self.open: ExportedFunctionInvoked | None = None
        self.status = StatusFold()
        self.outcomes: dict[str, OutcomeRef] = {}
        self.unsent: list[tuple[int, Entry]] = []
        self.last_ms = 0
        self.references: set[bytes] = set()
        sent = log.head.marks.sent
        for index, entry, sequence in log.entries():
            self.status.apply(index, entry)
            self.last_ms = max(self.last_ms, entry.at_ms)
            self._collect_references(entry)
            self._follow(index, entry, sequence)
            if index > sent:
                if not self.unsent and self.open is not None and self.open is not entry:
                    # The outcome of an invocation is sent to whom its beginning names.
                    self.unsent.append((0, self.open))
                self.unsent.append((index, entry))

    def _follow(self, index: int, entry: Entry, sequence: int) -> None:
        match entry:
            case Create():
                self.created = entry
            case ExportedFunctionInvoked():
                self.open = entry
            case ExportedFunctionCompleted():
                self.outcomes.setdefault(entry.idempotency_key, OutcomeRef(index, sequence))
            case InvocationRejected():
                self.outcomes.setdefault(entry.idempotency_key, OutcomeRef(index, sequence))
            case _:
                pass

    @property
    def running(self) -> bool:
        """Whether an invocation has begun and has no outcome."""
        return self.open is not None and self.open.idempotency_key not in self.outcomes

    def _collect_references(self, entry: Entry) -> None:
        for name in payloads.RAW_FIELDS[type(entry)]:
            value = getattr(entry, name)
            if isinstance(value, Raw) and payloads.is_reference(value):
                self.references.add(bytes(value))
