"""Under which keys the outside was asked by attempts that are done again.

A crash in the middle of a remote write or an atomic region leaves out what the attempt recorded
(`oplog.attempts`), but the outside has heard it: calls of other workers that lie in that part, and
requests that were sent beside the torn one. The next attempt asks the same under the same keys, so
that the other side knows it and does nothing twice. What it asks is compared by content, in order:
the second of two equal questions gets the second key. What it asks otherwise gets a key of its own.

A guest that goes back on purpose (`set-oplog-index`) wants its questions asked again: those keys
are left alone.
"""

import contextlib
import hashlib
import math
from collections import defaultdict, deque
from typing import Final, final

import msgspec
from msgspec import Raw, UnsetType

from oplog import payloads
from oplog.attempts import Cut
from oplog.entries import ImportedFunctionInvoked, RemoteCall
from oplog.plan import Plan

__all__ = ["KEY_SUFFIX", "AskedBefore", "Question", "call_question", "request_question"]

KEY_SUFFIX: Final = ".key"
"""How the function of an entry ends that records under which key something was asked."""

Question = bytes
"""What was asked, as a digest."""

_decode_key = msgspec.json.Decoder(str).decode


def call_question(call: RemoteCall, params: Raw | UnsetType) -> Question:
    """Return what a call of another worker asks, whatever its key and its time."""
    worker = "" if call.worker == call.key else call.worker
    parts = (call.component, worker, call.function, call.form)
    flags = f"{call.awaits}{call.run_at_ms is not None}"
    return _digest(*parts, flags, _content(params))


def request_question(function: str, content: Raw | UnsetType) -> Question:
    """Return what a request asks whose key `function` records."""
    return _digest(function, _content(content))


@final
class AskedBefore:
    """The keys of the running invocation's earlier attempts. Feed it entries in order."""

    def __init__(self) -> None:
        self._found: list[tuple[int, Question, str]] = []
        self._keys: defaultdict[Question, deque[str]] = defaultdict(deque)

    def begins(self) -> None:
        """An invocation begins or ends: what was asked before it is no attempt at it."""
        if self._found:
            self._found.clear()
            self._keys.clear()

    def apply(self, index: int, entry: ImportedFunctionInvoked) -> None:
        """Take note of an entry that may have asked something."""
        if isinstance(entry.asks, RemoteCall):
            question = call_question(entry.asks, entry.request)
            self._found.append((index, question, entry.asks.key))
        elif entry.function.endswith(KEY_SUFFIX) and not payloads.is_reference(entry.response):
            question = request_question(entry.function, entry.request)
            with contextlib.suppress(msgspec.DecodeError):
                self._found.append((index, question, _decode_key(entry.response)))

    def settle(self, plan: Plan, cut: Cut | None) -> None:
        """Keep the keys of attempts that are done again: left out by a retry, or behind `cut`.

        What a later attempt has asked again already is in the log that counts.
        """
        self._keys.clear()
        end = math.inf if cut is None else cut.index
        used = {key for at, _, key in self._found if at <= end and at not in plan.skipped}
        for index, question, key in self._found:
            left_out = index > end or index in plan.retried
            if left_out and index not in plan.taken_back and key not in used:
                used.add(key)
                self._keys[question].append(key)

    def key_of_call(self, call: RemoteCall, params: Raw | UnsetType) -> str | None:
        """Take the key under which that call was made; mostly nothing was asked before."""
        return self.take(call_question(call, params)) if self._keys else None

    def key_of_request(self, function: str, content: Raw | UnsetType) -> str | None:
        """Take the key of a request that was sent, which `function` has recorded."""
        return self.take(request_question(function, content)) if self._keys else None

    def take(self, question: Question) -> str | None:
        """Return the key under which that was asked; None if it was not, or not that often."""
        keys = self._keys.get(question)
        return keys.popleft() if keys else None


def _content(value: Raw | UnsetType) -> str:
    return "" if isinstance(value, UnsetType) else payloads.content_digest(value)


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()
