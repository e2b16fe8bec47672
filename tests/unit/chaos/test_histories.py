"""Histories that no worker may have, each wrong in one way: the checker finds every one.

A history is what clients asked and heard, with times, beside the order that the log has. Each kind
of workload (counter, register, set, ledger of calls) is got wrong in the ways that stores are known
for: updates lost, reads stale, operations doubled or reordered, values out of thin air.
"""

from collections.abc import Sequence

import pytest
from msgspec import Struct

from tests.chaos.check import check
from tests.chaos.logs import Entry, Log
from tests.chaos.operations import CALLER, Operation, component_of
from tests.chaos.record import Heard, Notes

MISSING = -1


class Did(Struct, frozen=True, kw_only=True):
    """An invocation in its place of the log. Clients are answered what it says if not `told`."""

    function: str
    params: tuple[int | str, ...] = ()
    answer: int = 0
    begun_s: float
    """When its client asked, and when it heard."""
    heard_s: float
    client: str = "c"
    worker: str = "w1"
    number: int = 0
    """The client's own count; 0: the next one."""
    drawn: int | None = None
    told: int | None = None
    times: int = 1
    """How often the log has it."""
    lost: bool = False
    """The log does not have it, though its client was told that it is stored."""
    call: tuple[str, int, int] | None = None
    """Of a caller: the worker that it asked, the value that ran there, and the answer."""


def add(value: int, answer: int, begun_s: float, heard_s: float, client: str = "c") -> Did:
    return Did(
        function="add", params=(value,), answer=answer, begun_s=begun_s, heard_s=heard_s,
        client=client,
    )  # fmt: skip


def get(answer: int, begun_s: float, heard_s: float, client: str = "c") -> Did:
    return Did(function="get", answer=answer, begun_s=begun_s, heard_s=heard_s, client=client)


def write(value: int, begun_s: float, heard_s: float, client: str = "c") -> Did:
    return Did(
        function="roll", answer=value, drawn=value, begun_s=begun_s, heard_s=heard_s, client=client
    )


def read(answer: int, begun_s: float, heard_s: float, client: str = "c") -> Did:
    return Did(function="rolled", answer=answer, begun_s=begun_s, heard_s=heard_s, client=client)


def put(number: int, answer: int, begun_s: float, heard_s: float, client: str = "c") -> Did:
    publisher = 0 if client == "c" else 1
    return Did(
        function="step", params=(publisher, number), answer=answer, begun_s=begun_s,
        heard_s=heard_s, client=client,
    )  # fmt: skip


def call(
    value: int, answer: int, begun_s: float, heard_s: float, ran: tuple[str, int, int] | None = None
) -> Did:
    return Did(
        function="one", params=("w1", value), answer=answer, begun_s=begun_s, heard_s=heard_s,
        worker="f1", call=ran or ("w1", value, answer),
    )  # fmt: skip


def changed(did: Did, **fields: object) -> Did:
    return Did(**{name: getattr(did, name) for name in did.__struct_fields__} | fields)  # type: ignore[arg-type]  # msgspec checks


class World:
    """Logs and notes as such a history leaves them."""

    def __init__(self, history: Sequence[Did]) -> None:
        self.logs: dict[str, Log] = {}
        self.notes = Notes(attempted={}, stored={}, heard={})
        self.counts: dict[tuple[str, str], int] = {}
        self.sequence = 0
        for did in history:
            self.happen(did)

    def happen(self, did: Did) -> None:
        place = did.client, did.worker
        self.counts[place] = did.number or self.counts.get(place, 0) + 1
        operation = Operation(
            client=did.client, worker=did.worker, number=self.counts[place],
            function=did.function, params=did.params,
        )  # fmt: skip
        key = operation.key
        self.sequence += 1
        self.notes.attempted[key] = operation
        self.notes.attempted_s[key] = did.begun_s
        self.notes.stored[key] = self.sequence
        told = did.answer if did.told is None else did.told
        heard = Heard(key, {"key": key, "result": told}, did.heard_s - did.begun_s, did.heard_s)
        self.notes.heard[key] = [heard]
        asks = None
        if did.call is not None:
            worker, value, answer = did.call
            asks = {"worker": worker, "key": f"{key}/call", "function": "add"}
            if answer != MISSING:
                self.run(worker, f"{key}/call", "add", (value,), answer, caller=True)
        for _ in range(0 if did.lost else did.times):
            self.run(did.worker, key, did.function, did.params, did.answer, did.drawn, asks=asks)

    def run(
        self,
        worker: str,
        key: str,
        function: str,
        params: tuple[int | str, ...],
        answer: int,
        drawn: int | None = None,
        *,
        caller: bool = False,
        asks: dict[str, object] | None = None,
    ) -> None:
        operation = Operation(client="", worker=worker, number=0, function=function, params=params)
        self.sequence += 1
        begun: dict[str, object] = {
            "type": "exported-function-invoked",
            "function": operation.full_name,
            "params": list(params),
            "idempotency-key": key,
            "sequence": self.sequence,
        }
        if caller:
            begun["caller"] = {"worker": "f1"}
        self.enter(worker, begun)
        if drawn is not None:
            name = "wasi:random/random.{get-random-u64}"
            self.enter(
                worker, {"type": "imported-function-invoked", "function": name, "response": drawn}
            )
        if asks is not None:
            self.enter(
                worker, {"type": "imported-function-invoked", "function": "add", "asks": asks}
            )
        ended = {"type": "exported-function-completed", "idempotency-key": key, "result": answer}
        self.enter(worker, ended)

    def enter(self, worker: str, body: dict[str, object]) -> None:
        log = self.logs.setdefault(worker, Log(worker=worker))
        if not log.entries:
            log.entries.append(Entry(1, self.sequence, {"type": "create", "incarnation": "i"}))
        log.entries.append(Entry(len(log.entries) + 1, self.sequence, body))

    def kinds(self) -> set[str]:
        return {fault.kind for fault in check(self.logs, self.notes)}


RIGHT: dict[str, list[Did]] = {
    "counter": [add(5, 5, 0, 2), add(7, 12, 1, 3, "d"), get(12, 4, 5), get(12, 4, 6, "d")],
    "register": [write(40, 0, 2), read(40, 1, 3, "d"), write(41, 3, 4), read(41, 5, 6)],
    "set": [put(1, 0, 0, 1), put(1, 0, 0, 2, "d"), put(2, 0, 2, 3)],
    "ledger": [call(5, 5, 0, 2), add(7, 12, 3, 4), call(1, 13, 5, 6), get(13, 7, 8)],
    "two that overlap, in either order": [add(7, 7, 1, 3, "d"), add(5, 12, 0, 2)],
}

WRONG: dict[str, tuple[list[Did], set[str]]] = {
    "counter: an update is lost": (
        [add(5, 5, 0, 1), add(7, 7, 2, 3, "d"), get(7, 4, 5)],
        {"wrong value"},
    ),
    "counter: an acknowledged update is not in the log": (
        [add(5, 5, 0, 1), changed(add(7, 12, 2, 3, "d"), lost=True)],
        {"lost", "told otherwise"},
    ),
    "counter: a read is stale": (
        [add(5, 5, 0, 1), add(7, 12, 2, 3), get(5, 4, 5, "d")],
        {"wrong value"},
    ),
    "counter: a read stands before what it must have seen": (
        [get(0, 4, 5, "d"), add(5, 5, 0, 1)],
        {"not linearizable"},
    ),
    "counter: an update counts twice": ([add(5, 10, 0, 1)], {"wrong value"}),
    "counter: an update happens twice": (
        [changed(add(5, 5, 0, 1), times=2)],
        {"invoked twice", "two outcomes"},
    ),
    "counter: a client's own updates change places": (
        [changed(add(7, 7, 0, 9), number=2), changed(add(5, 12, 0, 9), number=1)],
        {"publish order"},
    ),
    "counter: two clients' updates change places": (
        [add(7, 7, 3, 4, "d"), add(5, 12, 0, 1)],
        {"not linearizable"},
    ),
    "counter: a total out of thin air": ([add(5, 5, 0, 1), get(99, 2, 3)], {"wrong value"}),
    "counter: one is told what nobody recorded": (
        [changed(add(5, 5, 0, 1), told=6)],
        {"told otherwise"},
    ),
    "register: a write is lost": (
        [write(40, 0, 1), changed(write(41, 2, 3, "d"), lost=True), read(40, 4, 5)],
        {"lost", "told otherwise"},
    ),
    "register: a read is stale": (
        [write(40, 0, 1), write(41, 2, 3, "d"), read(40, 4, 5)],
        {"wrong value"},
    ),
    "register: a read goes back in time, with its write": (
        [write(41, 2, 3, "d"), read(41, 6, 7), write(40, 0, 1), read(40, 8, 9)],
        {"not linearizable"},
    ),
    "register: a read stands before its write": (
        [read(40, 2, 3), write(40, 0, 1)],
        {"wrong value", "not linearizable"},
    ),
    "register: a write happens twice": (
        [changed(write(40, 0, 1), times=2), read(40, 2, 3)],
        {"invoked twice", "two outcomes"},
    ),
    "register: a value that was never written": ([write(40, 0, 1), read(7, 2, 3)], {"wrong value"}),
    "register: a write answers what it did not write": (
        [changed(write(40, 0, 1), answer=41)],
        {"wrong value"},
    ),
    "register: a read of one who was answered before the write began": (
        [write(40, 5, 6), read(40, 1, 2, "d")],
        {"not linearizable"},
    ),
    "set: an element is lost": (
        [put(1, 0, 0, 1), changed(put(2, 0, 2, 3), lost=True), put(3, 1, 4, 5)],
        {"lost", "publish order", "told otherwise"},
    ),
    "set: an element is taken for new twice": (
        [changed(put(1, 0, 0, 1), times=2)],
        {"invoked twice", "two outcomes"},
    ),
    "set: it forgot what it had": ([put(1, 0, 0, 1), put(2, 1, 2, 3)], {"wrong value"}),
    "set: it has what nobody put there": ([put(1, 0, 0, 1), put(3, 0, 2, 3)], {"wrong value"}),
    "set: elements change places": (
        [changed(put(2, 1, 0, 9), number=2), changed(put(1, 2, 0, 9), number=1)],
        {"publish order"},
    ),
    "set: elements of two clients change places": (
        [put(1, 0, 4, 5, "d"), put(1, 0, 0, 1)],
        {"not linearizable"},
    ),
    "ledger: a call never ran": ([call(5, 5, 0, 1, ("w1", 5, MISSING))], {"lost call"}),
    "ledger: a call ran with another value": (
        [call(5, 6, 0, 1, ("w1", 6, 6))],
        {"garbled"},
    ),
    "ledger: a call went to another worker": (
        [call(5, 5, 0, 1, ("w2", 5, 5))],
        {"garbled"},
    ),
    "ledger: a call is answered with what it did not answer": (
        [call(5, 5, 0, 1, ("w1", 5, 7))],
        {"told otherwise", "wrong value"},
    ),
    "ledger: a call is booked under a stale balance": (
        [add(7, 7, 0, 1), call(5, 5, 2, 3)],
        {"wrong value"},
    ),
    "ledger: a call stands behind who saw it happen": (
        [get(0, 4, 5, "d"), call(5, 5, 0, 2)],
        {"not linearizable"},
    ),
    "ledger: a call stands before who was answered ahead of it": (
        [call(5, 5, 4, 5), get(5, 0, 2, "d")],
        {"not linearizable"},
    ),
}


@pytest.mark.parametrize("history", RIGHT.values(), ids=RIGHT)
def test_a_right_history_is_right(history: list[Did]) -> None:
    assert World(history).kinds() == set()


@pytest.mark.parametrize(("history", "kinds"), WRONG.values(), ids=WRONG)
def test_a_wrong_history_is_found(history: list[Did], kinds: set[str]) -> None:
    # Exactly these: what one rule finds must not hide that another one is blind.
    assert World(history).kinds() == kinds


def test_a_call_that_ran_twice_or_was_asked_by_nobody_is_found() -> None:
    twice = World([call(5, 5, 0, 1)])
    twice.run("w1", "c/f1/1/call", "add", (5,), 10, caller=True)
    assert twice.kinds() >= {"invoked twice", "two outcomes"}
    again = World([call(5, 5, 0, 1)])
    again.run("w1", "c/f1/1/again", "add", (5,), 10, caller=True)
    assert again.kinds() == {"from nowhere"}


def test_every_workload_is_got_wrong() -> None:
    drawn = {did.function for history, _ in WRONG.values() for did in history}
    assert drawn == {"add", "get", "roll", "rolled", "step", "one"}
    assert component_of("f1") == CALLER
