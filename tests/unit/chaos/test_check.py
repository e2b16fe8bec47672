"""The checker of the chaos runs finds what it must: made-up logs, each wrong in one way."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
import zstandard

from tests.chaos.check import check, summary
from tests.chaos.logs import Message, assemble
from tests.chaos.operations import Operation
from tests.chaos.record import Heard, Notes

Body = dict[str, Any]


class World:
    """A worker's log and a client's notes, right unless a test makes them wrong."""

    def __init__(self, worker: str = "w1") -> None:
        self.worker = worker
        self.entries: list[Body] = [{"type": "create", "incarnation": "i"}]
        self.messages: list[Message] = []
        self.notes = Notes(attempted={}, stored={}, heard={})
        self.sequence = 0
        self.first = 1
        self.hash = ""
        self.count = 0

    def publish(self, function: str, *params: int | str, client: str = "c") -> str:
        self.count += 1
        operation = Operation(
            client=client, worker=self.worker, number=self.count, function=function, params=params
        )
        self.sequence += 1
        self.notes.attempted[operation.key] = operation
        self.notes.stored[operation.key] = self.sequence
        return operation.key

    def begin(self, key: str) -> None:
        operation = self.notes.attempted[key]
        self.entries.append(
            {
                "type": "exported-function-invoked",
                "function": operation.full_name,
                "params": list(operation.params),
                "idempotency-key": key,
                "sequence": self.notes.stored[key],
            }
        )

    def draw(self, value: int) -> None:
        function = "wasi:random/random.{get-random-u64}"
        self.entries.append(
            {"type": "imported-function-invoked", "function": function, "response": value}
        )

    def end(self, key: str, result: int) -> None:
        self.entries.append(
            {"type": "exported-function-completed", "idempotency-key": key, "result": result}
        )

    def hear(self, key: str, **outcome: Any) -> None:
        heard = Heard(key, {"key": key, **outcome}, 0.1)
        self.notes.heard.setdefault(key, []).append(heard)

    def invoke(self, function: str, *params: int, result: int) -> str:
        key = self.publish(function, *params)
        self.begin(key)
        if function == "roll":
            self.draw(result)
        self.end(key, result)
        self.hear(key, result=result)
        return key

    def commit(self, **wrong: Any) -> None:
        """Write what is there as one message; `wrong` replaces fields of the body."""
        body = {"v": 1, "first": self.first, "previous": self.hash, "invoked": self.sequence}
        body |= {"control": 0, "sent": 0, "entries": self.entries} | wrong
        data = json.dumps(body).encode()
        self.hash = hashlib.sha256(data).hexdigest()[:32]
        counts: dict[str, int] = {}
        for entry in self.entries:
            counts[entry["type"]] = counts.get(entry["type"], 0) + 1
        headers = {
            "Shem-First": str(body["first"]),
            "Shem-Last": str(body["first"] + len(self.entries) - 1),
            "Shem-Types": ",".join(n if m == 1 else f"{n}*{m}" for n, m in counts.items()),
            "Shem-Hash": self.hash,
            "Shem-Invoked": str(body["invoked"]),
            "Shem-Control": str(body["control"]),
            "Shem-Sent": str(body["sent"]),
        }
        self.sequence += 1
        subject = f"shem.oplog.7.load.{self.worker}.log"
        self.messages.append(Message(subject, self.sequence, headers, data))
        self.first += len(self.entries)
        self.entries = []

    def kinds(self) -> set[str]:
        if self.entries:
            self.commit()
        return {fault.kind for fault in check(assemble(self.messages), self.notes)}


@pytest.fixture
def world() -> World:
    return World()


def test_a_right_history_has_no_fault(world: World) -> None:
    world.invoke("add", 5, result=5)
    world.commit()
    world.invoke("roll", result=99)
    world.invoke("rolled", result=99)
    world.invoke("nap", 10, result=5)
    world.invoke("step", 0, 1, result=0)
    world.invoke("step", 0, 2, result=0)
    world.commit()
    world.invoke("get", result=5)

    assert world.kinds() == set()
    seen = summary(assemble(world.messages), world.notes)
    assert (seen["commits"], seen["heard"], seen["create"]) == (3, 7, 1)


def test_compressed_commits_are_read(world: World) -> None:
    world.invoke("add", 5, result=5)
    world.commit()
    plain = world.messages[0]
    headers = {**plain.headers, "Shem-Encoding": "zstd"}
    packed = Message(plain.subject, plain.sequence, headers, zstandard.compress(plain.data))
    world.messages = [packed]

    assert world.kinds() == set()


def lose(world: World) -> None:
    world.publish("add", 1)


def double(world: World) -> None:
    key = world.invoke("add", 5, result=5)
    world.begin(key)
    world.end(key, 10)


def answer_twice(world: World) -> None:
    key = world.invoke("add", 5, result=5)
    world.end(key, 5)


def never_end(world: World) -> None:
    key = world.publish("add", 5)
    world.begin(key)
    world.hear(key, result=5)


def overlap(world: World) -> None:
    first, second = world.publish("add", 1), world.publish("add", 1)
    world.begin(first)
    world.begin(second)


def reorder(world: World) -> None:
    first, second = world.publish("add", 1), world.publish("add", 1)
    for key, result in ((second, 1), (first, 2)):
        world.begin(key)
        world.end(key, result)
        world.hear(key, result=result)


def skip(world: World) -> None:
    world.count += 1
    world.invoke("add", 1, result=1)


def miscount(world: World) -> None:
    world.invoke("add", 5, result=5)
    world.invoke("add", 5, result=11)


def forget_the_draw(world: World) -> None:
    key = world.publish("roll")
    world.begin(key)
    world.end(key, 7)
    world.hear(key, result=7)


def draw_twice(world: World) -> None:
    key = world.publish("roll")
    world.begin(key)
    world.draw(7)
    world.draw(8)
    world.end(key, 8)
    world.hear(key, result=8)


def roll_again(world: World) -> None:
    world.invoke("roll", result=7)
    world.invoke("rolled", result=8)


def tell_otherwise(world: World) -> None:
    key = world.invoke("add", 5, result=5)
    world.hear(key, result=6)


def tell_an_error(world: World) -> None:
    key = world.invoke("add", 5, result=5)
    world.hear(key, error={"kind": "internal", "message": "?"})


def say_nothing(world: World) -> None:
    key = world.invoke("add", 5, result=5)
    del world.notes.heard[key]


def create_twice(world: World) -> None:
    world.entries.append({"type": "create", "incarnation": "j"})


def never_create(world: World) -> None:
    world.entries.clear()
    world.invoke("add", 5, result=5)


def come_from_nowhere(world: World) -> None:
    key = world.invoke("add", 5, result=5)
    del world.notes.attempted[key], world.notes.stored[key], world.notes.heard[key]


def garble(world: World) -> None:
    world.invoke("add", 5, result=5)
    world.entries[1]["params"] = [6]
    world.entries[2]["result"] = 6


def reject(world: World) -> None:
    key = world.publish("add", 5)
    world.entries.append({"type": "invocation-rejected", "idempotency-key": key, "sequence": 1})
    world.hear(key, error={"kind": "unavailable", "message": "?"})


def fail_and_try_again(world: World) -> None:
    world.entries.append({"type": "error", "error": {"kind": "internal", "message": "?"}})
    world.invoke("add", 5, result=5)


def leave_a_hole(world: World) -> None:
    world.invoke("add", 5, result=5)
    world.commit()
    world.first += 1
    world.invoke("add", 5, result=10)


def break_the_chain(world: World) -> None:
    world.invoke("add", 5, result=5)
    world.commit()
    world.hash = "0" * 32
    world.invoke("add", 5, result=10)


def flip_a_bit(world: World) -> None:
    world.invoke("add", 5, result=5)
    world.commit()
    message = world.messages[0]
    data = message.data.replace(b'"v": 1', b'"v": 2')
    world.messages[0] = Message(message.subject, message.sequence, message.headers, data)


def go_back(world: World) -> None:
    world.invoke("add", 5, result=5)
    world.commit()
    world.invoke("add", 5, result=10)
    world.commit(invoked=0)


def lie_in_a_header(world: World) -> None:
    world.invoke("add", 5, result=5)
    world.commit()
    message = world.messages[0]
    headers = {**message.headers, "Shem-Last": "9"}
    world.messages[0] = Message(message.subject, message.sequence, headers, message.data)


def write_rubbish(world: World) -> None:
    world.commit()
    world.messages.append(Message("shem.oplog.7.load.w1.log", 99, {}, b"no JSON"))


@pytest.mark.parametrize(
    ("harm", "kinds"),
    [
        (lose, {"lost", "unanswered"}),
        (double, {"invoked twice", "two outcomes"}),
        (answer_twice, {"wrong outcome", "two outcomes"}),
        (never_end, {"no outcome", "told otherwise"}),
        (overlap, {"overlap", "no outcome", "unanswered"}),
        (reorder, {"stream order", "publish order"}),
        (skip, {"publish order"}),
        (miscount, {"wrong value"}),
        (forget_the_draw, {"wrong value"}),
        (draw_twice, {"wrong value"}),
        (roll_again, {"wrong value"}),
        (tell_otherwise, {"told otherwise"}),
        (tell_an_error, {"told otherwise"}),
        (say_nothing, {"unanswered"}),
        (create_twice, {"created twice"}),
        (never_create, {"not created"}),
        (come_from_nowhere, {"from nowhere"}),
        (garble, {"garbled", "told otherwise"}),
        (reject, {"rejected", "lost", "told otherwise"}),
        (fail_and_try_again, {"failed"}),
        (leave_a_hole, {"chain"}),
        (break_the_chain, {"chain"}),
        (flip_a_bit, {"chain"}),
        (go_back, {"chain"}),
        (lie_in_a_header, {"chain"}),
        (write_rubbish, {"chain"}),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_what_is_wrong_is_found(
    world: World, harm: Callable[[World], None], kinds: set[str]
) -> None:
    harm(world)

    assert world.kinds() >= kinds


def caller_of(world: World, key: str, result: int) -> World:
    """Return the worker that has made the call which ran in `world` under `key`."""
    operation = world.notes.attempted.pop(key)
    del world.notes.stored[key], world.notes.heard[key]
    for entry in world.entries:
        if entry.get("idempotency-key") == key:
            entry["idempotency-key"] = "derived"
            if entry["type"] == "exported-function-invoked":
                entry["caller"] = {"worker": "f1"}
    world.commit()
    caller = World("f1")
    own = caller.publish("one", "w1", *operation.params)
    caller.begin(own)
    asks = {"type": "call", "worker": "w1", "key": "derived", "function": "add"}
    caller.entries.append(
        {"type": "imported-function-invoked", "function": "client#add", "asks": asks}
    )
    caller.end(own, result)
    caller.hear(own, result=result)
    caller.commit()
    return caller


def both(world: World, caller: World) -> set[str]:
    return {
        fault.kind for fault in check(assemble([*world.messages, *caller.messages]), caller.notes)
    }


def test_a_call_is_compared_with_what_ran(world: World) -> None:
    caller = caller_of(world, world.invoke("add", 5, result=5), 5)
    assert both(world, caller) == set()


def test_a_call_that_never_ran_ran_twice_or_was_told_otherwise_is_found(world: World) -> None:
    told = caller_of(world, world.invoke("add", 5, result=5), 6)
    assert both(world, told) == {"told otherwise"}
    lost = World("w1")
    lost.commit()
    assert both(lost, told) == {"lost call"}
    nobody = World("f1")
    nobody.commit()
    assert both(world, nobody) == {"from nowhere"}


def test_a_worker_without_any_log_is_found(world: World) -> None:
    world.publish("add", 5)

    assert {fault.kind for fault in check({}, world.notes)} == {"lost", "unanswered"}


def test_an_operation_never_acknowledged_may_happen_or_not(world: World) -> None:
    key = world.publish("add", 5)
    del world.notes.stored[key]
    assert world.kinds() == set()
