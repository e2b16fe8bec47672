"""A durable counter: ordinary Python objects, ordinary Python modules.

Nothing here knows of Shem. The total survives because the worker's journal is replayed, and the
random numbers and times are the same after a crash because their answers were journaled.
"""

import os
import time

from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.api import Item

# One round of the loop below takes some 50 ns in this interpreter.
_ROUNDS_PER_MS = 20_000


class State:
    """What the worker remembers. The bindings make a new `Api` for each call, so it lives here."""

    total = 0
    drawn = 0
    kept: list[bytearray] = []  # noqa: RUF012 - there is one state in a worker, the class itself


class Api(exports.Api):
    """The exports of `demo:counter/api`. A worker runs one invocation at a time."""

    def add(self, value: int) -> int:
        State.total = (State.total + value) % 2**64
        return State.total

    def get(self) -> int:
        return State.total

    def roll(self) -> int:
        State.drawn = int.from_bytes(os.urandom(8), "little")
        return State.drawn

    def rolled(self) -> int:
        return State.drawn

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def describe(self, items: list[Item]) -> str:
        if not items:
            raise Err("no items")
        lines = [f"{item.quantity} x {item.name}" for item in items]
        due = sum(item.quantity * item.price for item in items)
        return f"{', '.join(lines)}: {due:.2f}"

    def say(self, text: str) -> None:
        print(text, flush=True)

    def nap(self, ms: int) -> int:
        time.sleep(ms / 1000)
        return State.total

    def fail(self) -> None:
        raise RuntimeError("asked to fail")

    def busy(self, ms: int) -> int:
        value = 1
        for _ in range(ms * _ROUNDS_PER_MS):
            value = value * 48271 % 0x7FFFFFFF
        return value

    def grow(self, size: int) -> int:
        State.kept.append(bytearray(size))
        return sum(len(chunk) for chunk in State.kept)
