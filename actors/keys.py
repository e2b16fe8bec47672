"""The idempotency keys of a worker: which are done, and with what outcome.

Orders of other workers are kept among them, by who gave them: one that comes again long after the
broker has forgotten its id must not be obeyed again.

Part of the worker's state: rebuilt from the log at load, kept for ever. Only a reference to the
outcome is kept in memory, the outcome itself is read back from the log; of the newest ones the
entries are kept.
"""

import asyncio
import contextlib
import uuid
from collections import OrderedDict
from collections.abc import Mapping
from itertools import islice
from typing import Final, TypeAlias, final

from actors.identity import named_uuid
from oplog.commit import Commit
from oplog.entries import Caller, CommandDone, ExportedFunctionCompleted, InvocationRejected
from oplog.key_index import EMPTY, KeyIndex, OutcomeRef

__all__ = [
    "RECENT_OUTCOMES_MAX",
    "Decided",
    "Keys",
    "derived_key",
    "foreign_key",
    "made_up_key",
    "order_key",
]

Decided: TypeAlias = ExportedFunctionCompleted | InvocationRejected
"""An entry that decides what a key's outcome is."""

RECENT_OUTCOMES_MAX: Final = 32
# Some ten milliseconds of work; of a long log that was replayed there are hundreds of thousands.
PACKED_AT_ONCE_MAX: Final = 20_000
# One that is not packed: its text, its place, and its part of a dictionary.
_REF_BYTES: Final = 230
_COUNTED_TOGETHER: Final = 32
_MADE_UP = "seq-"
_KEY_NAMESPACE: Final = uuid.UUID("9c19b15a-c83d-46f7-9bc3-ead7923733f4").bytes
_UUID_DIGITS: Final = 32


def made_up_key(sequence: int) -> str:
    """Return the key of a message that came without one: nobody can send the same again."""
    return f"{_MADE_UP}{sequence}"


def order_key(caller: Caller) -> str:
    """Return the key of an order that a worker gave; no header carries one with a line break."""
    return f"order\n{caller.incarnation}:{caller.index}"


def foreign_key(key: str) -> str:
    """Return the key under which a copy in another stream keeps an outcome of its original.

    There the same made-up key will be that of another message.
    """
    return f"copied-{key}" if key.startswith(_MADE_UP) else key


def derived_key(key: str, incarnation: str, index: int) -> str:
    """Return the key of what an invocation causes at entry `index`, the same at every replay.

    The incarnation keeps a forked worker, which shares key and indices with its original, from
    being taken for it.
    """
    text = named_uuid(_namespace_of(key), f"{incarnation}:oplog-index-{index}")
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _namespace_of(key: str) -> bytes:
    if len(key) >= _UUID_DIGITS:
        with contextlib.suppress(ValueError):
            return uuid.UUID(key).bytes
    return bytes.fromhex(named_uuid(_KEY_NAMESPACE, key))


def _sequence_of(key: str) -> int:
    tail = key.removeprefix(_MADE_UP)
    return int(tail) if tail.isdecimal() else 0


@final
class Keys:
    """Outcomes by key."""

    def __init__(
        self, committed: Mapping[str, OutcomeRef], *, invoked: int, packed: KeyIndex = EMPTY
    ) -> None:
        self._packed = packed
        # A made-up key matters only while its message waits in the mailbox: it may be cancelled.
        self._refs = {
            key: ref
            for key, ref in committed.items()
            if not key.startswith(_MADE_UP) or _sequence_of(key) > invoked
        }
        self._recent: OrderedDict[str, tuple[int, Decided]] = OrderedDict()
        # Orders that are obeyed and not committed.
        self._obeyed: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._refs or key in self._recent or self._packed.find(key) is not None

    @property
    def memory_bytes(self) -> int:
        """How much memory they take, more or less, in steps: it is asked after every invocation."""
        steps = len(self._refs) // _COUNTED_TOGETHER
        return steps * _COUNTED_TOGETHER * _REF_BYTES + self._packed.bytes

    async def pack_ahead(self) -> None:
        """Pack most of what is not packed, a part at a time, so that others get their turn."""
        while len(self._refs) > PACKED_AT_ONCE_MAX:
            refs = self._refs.items()
            lasting = ((key, ref) for key, ref in refs if not key.startswith(_MADE_UP))
            part = dict(islice(lasting, PACKED_AT_ONCE_MAX))
            if not part:
                return
            self._packed = self._packed.adding(part)
            for key in part:
                del self._refs[key]
            await asyncio.sleep(0)

    def packed(self, *, invoked: int) -> tuple[KeyIndex, tuple[tuple[str, OutcomeRef], ...]]:
        """Return all committed keys: packed, and apart from them those that may be forgotten later.

        The packed ones take a tenth of the memory from now on.
        """
        lasting = {key: ref for key, ref in self._refs.items() if not key.startswith(_MADE_UP)}
        self._packed = self._packed.adding(lasting)
        self._refs = {
            key: ref
            for key, ref in self._refs.items()
            if key not in lasting and _sequence_of(key) > invoked
        }
        return self._packed, tuple(self._refs.items())

    def has_obeyed(self, caller: Caller) -> bool:
        """Whether the order that `caller` names was carried out or refused before, for good."""
        key = order_key(caller)
        return key in self._obeyed or key in self

    def obeyed(self, caller: Caller) -> None:
        """Remember an order, committed or not."""
        self._obeyed.add(order_key(caller))

    def decided(self, index: int, entry: Decided) -> None:
        """Remember the outcome recorded at `index`, committed or not."""
        self._recent[entry.idempotency_key] = index, entry

    def committed(self, commit: Commit, sequence: int) -> None:
        """Learn where the outcomes of a commit lie."""
        for index, entry in enumerate(commit.entries, commit.first):
            if type(entry) is ExportedFunctionCompleted:
                if not entry.idempotency_key.startswith(_MADE_UP):
                    self._refs[entry.idempotency_key] = OutcomeRef(index, sequence)
            elif type(entry) is InvocationRejected:
                self._refs[entry.idempotency_key] = OutcomeRef(index, sequence)
            elif type(entry) is CommandDone and entry.caller is not None:
                key = order_key(entry.caller)
                self._refs[key] = OutcomeRef(index, sequence)
                self._obeyed.discard(key)
        recent = self._recent
        while len(recent) > RECENT_OUTCOMES_MAX:
            oldest = next(iter(recent))
            if recent[oldest][0] > commit.last:
                break
            del recent[oldest]

    def recent(self, key: str) -> tuple[int, Decided] | None:
        """Return the entry with the outcome and its index, if it is one of the newest."""
        return self._recent.get(key)

    def where(self, key: str) -> OutcomeRef | None:
        """Return where in the log the outcome lies, if it is committed."""
        return self._refs.get(key) or self._packed.find(key)
