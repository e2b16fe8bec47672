"""One seed of the simulated attack: random load, random faults, everything checked afterwards.

Executors, broker and clients share one event loop in virtual time, and every source of chance is
drawn from the seed, so that a seed repeats itself exactly. Faults strike between any two turns of
the loop, which is every place where an executor waits for anything.
"""

import asyncio
import hashlib
import json
import os
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

from msgspec import Struct

from actors.context import WorkerContext
from actors.limits import MARK_SENT_AFTER_S
from broker import subjects
from broker.layout import DUPLICATE_WINDOW_S
from broker.memory.clock import LoopClock
from oplog.entries import Repeat
from shem.client.schedules import Schedules
from tests.simulation.cluster import COMPONENT, Node, Simulation
from tests.simulation.ledger import LATE_MS, TICK, check
from tests.simulation.virtual import VirtualLoop

__all__ = ["Outcome", "attack"]

WORKERS: Final = 5
OPERATIONS: Final = 24
FAULTS: Final = 8
STREAMS_MAX: Final = 3
# How many workers an executor keeps in memory: all, or so few that they come and go.
RESIDENTS: Final = (WORKERS, 1, 2)
NODES: Final = 2
# Between two faults, in turns of the loop: an invocation takes some dozens.
TURNS: Final = (1, 250)
WITHIN_S: Final = FAULTS * DUPLICATE_WINDOW_S + 600
# What is called later is due so soon, or so late that it can be taken back.
SOON_S: Final = 15
RECURS_MS: Final = 20_000
CANCELLED: Final = 0.1
_LOGS: Final = "shem.oplog.*.counter.*.log"
_EPOCH_NS: Final = 1_700_000_000 * 10**9


class Outcome(Struct, frozen=True):
    """What a seed did. `digest` is over everything that the broker stored, in order."""

    seed: int
    problems: list[str]
    operations: int
    faults: dict[str, int]
    turns: int
    digest: str


def attack(seed: int) -> Outcome:
    """Run one seed."""
    with _chance(seed), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_Attack(seed).run())


@contextmanager
def _chance(seed: int) -> Iterator[None]:
    """Make everything that is random a function of the seed."""
    source = random.Random(f"{seed}/chance")
    state = random.getstate()
    random.seed(f"{seed}/jitter")

    def epoch(clock: LoopClock) -> int:
        del clock
        return _EPOCH_NS + int(asyncio.get_running_loop().time() * 1e9)

    try:
        with (
            patch.object(os, "urandom", source.randbytes),
            patch("random._urandom", source.randbytes),
            patch.dict(WorkerContext.__init__.__kwdefaults__, entropy=source.randbytes),
            patch.object(uuid, "uuid4", lambda: uuid.UUID(bytes=source.randbytes(16), version=4)),
            patch.object(LoopClock, "now_ns", epoch),
            patch("shem.client.schedules._now_ms", lambda: epoch(LoopClock()) // 1_000_000),
        ):
            yield
    finally:
        random.setstate(state)


class _Attack:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.load = random.Random(f"{seed}/load")
        self.chance = random.Random(f"{seed}/faults")
        self.counts: dict[str, int] = {}
        self.keys: list[tuple[str, str]] = []
        self.waiting: set[asyncio.Task[None]] = set()
        self.calm = False

    async def run(self) -> Outcome:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        residents = RESIDENTS[self.seed // STREAMS_MAX % len(RESIDENTS)]
        async with Simulation(
            streams=1 + self.seed % STREAMS_MAX, resident_workers_max=residents
        ) as self.simulation:
            for node in [self.simulation.start() for _ in range(NODES)]:
                await node.executor.wait_until_ready()
            loop.strike_after(self.chance.randint(*TURNS), self._strike)
            await self._recur()
            problems = await self._operate()
            problems += [
                f"{node.name} ended: {node.task.exception()!r}"
                for node in self.simulation.nodes
                if node.task.done()
                and not node.killed
                and node.has_begun
                and node.task.exception() is not None
            ]
            problems += await self._take_back()
            problems += await check(self.simulation, self.keys)
            digest = await self._digest()
            return Outcome(self.seed, problems, len(self.keys), self.counts, loop.turns, digest)

    async def _operate(self) -> list[str]:
        names = [f"w{number}" for number in range(WORKERS)]
        for name in names:
            # So that no transfer makes anybody poor: numbers have no sign.
            self.keys.append((name, f"first-{name}"))
            await self.simulation.publish(name, "add", 1_000, key=f"first-{name}")
        for number in range(OPERATIONS):
            index = self.load.randrange(WORKERS)
            function, params = self._operation(names, index, number)
            key = f"k{number}"
            self.keys.append((names[index], key))
            await self.simulation.publish(names[index], function, *params, key=key)
            if self.load.random() < 0.2:
                await self.simulation.publish(
                    names[index], function, *params, key=key, message_id=f"again-{number}"
                )
            if self.load.random() < CANCELLED:
                await self._cancel(names[index], key)
            if self.load.random() < 0.3:
                await asyncio.sleep(self.load.random() * 3)
        problems: list[str] = []
        for _, key in self.keys:
            try:
                await self.simulation.result(key, within_s=WITHIN_S)
            except TimeoutError:
                problems.append(f"{key} has no result after {WITHIN_S} s")
        self.calm = True
        for task in list(self.waiting):
            await asyncio.gather(task, return_exceptions=True)
        return problems

    async def _recur(self) -> None:
        """Have one worker invoked again and again."""
        rule = Repeat(id=TICK, due_ms=0, call="add(1)", every_ms=RECURS_MS, catch_up="all")
        await Schedules(self.simulation.client).repeat(COMPONENT, "w0", rule)

    async def _cancel(self, worker: str, key: str) -> None:
        """Take an invocation out of the queue, unless it has begun by then."""
        command = {"command": "cancel", "key": key}
        await self.simulation.client.journal.publish(
            subjects.control(COMPONENT, worker),
            json.dumps(command).encode(),
            message_id=f"cancel-{key}",
        )

    async def _take_back(self) -> list[str]:
        """Take back all that is to come, and see whether it stays away when executors change."""
        schedules = Schedules(self.simulation.client)
        # What is due soon has come by then, also if its delivery was lost a few times.
        await asyncio.sleep(SOON_S + 5)
        # It may wait in the queue, and is in no schedule then.
        await schedules.cancel(COMPONENT, "w0", TICK)
        for each in await schedules.pending(COMPONENT):
            await schedules.cancel(COMPONENT, each.worker, each.id)
        await asyncio.sleep(MARK_SENT_AFTER_S + 5)
        for node in self.simulation.nodes:
            node.kill()
        await asyncio.sleep(DUPLICATE_WINDOW_S)
        self.simulation.start()
        for worker in [f"w{number}" for number in range(WORKERS)]:
            self.keys.append((worker, f"last-{worker}"))
            await self.simulation.publish(worker, "get", key=f"last-{worker}")
            await self.simulation.result(f"last-{worker}", within_s=WITHIN_S)
        await asyncio.sleep(5)
        found = await schedules.pending(COMPONENT)
        return [f"{each.id} of {each.worker} was taken back and came again" for each in found]

    def _operation(self, names: list[str], index: int, number: int) -> tuple[str, tuple[Any, ...]]:
        kinds = ["add", "add", "roll", "nap", "sleep", "step", "get"]
        # Calls go upwards only: two that called each other could never end.
        others = names[index + 1 :]
        if others:
            kinds += ["transfer", "transfer", "tell", "later", "never"]
        match self.load.choice(kinds):
            case "add":
                return "add", (self.load.randint(1, 9),)
            case "nap":
                return "nap", (self.load.randint(1, 2_000),)
            case "sleep":
                return "nap", (self.load.randint(10_000, 40_000),)
            case "step":
                return "step", (7, number + 1)
            case "transfer":
                return "transfer", (self.load.choice(others), self.load.randint(1, 9))
            case "tell":
                return "tell", (self.load.choice(others), 2)
            case "later":
                later_ms = self.load.randint(1, SOON_S) * 1_000
                return "later", (self.load.choice(others), later_ms, self.load.randint(1, 9), 0)
            case "never":
                taken_back = self.load.randint(0, 1)
                return "later", (self.load.choice(others), LATE_MS, 1, taken_back)
            case other:
                return other, ()

    def _strike(self) -> None:
        """One fault, between two turns of the loop."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        if self.calm or sum(self.counts.values()) >= FAULTS:
            return
        living = [node for node in self.simulation.nodes if not node.task.done()]
        faults: list[Callable[[Node], None]] = [
            self._kill, self._kill, self._kill, self._drain, self._cut, self._hold,
            self._lose_answer, self._lose_append, self._lose_delivery, self._fail_reads,
            self._kill_all,
        ]  # fmt: skip
        fault = self.chance.choice(faults)
        if living:
            fault(self.chance.choice(living))
            name = fault.__name__.strip("_")
            self.counts[name] = self.counts.get(name, 0) + 1
        loop.strike_after(self.chance.randint(*TURNS), self._strike)

    def _soon(self, delay_s: float, action: Callable[[], Any]) -> None:
        async def act() -> None:
            await asyncio.sleep(delay_s)
            result = action()
            if asyncio.iscoroutine(result):
                await result

        task = asyncio.ensure_future(act())
        self.waiting.add(task)
        task.add_done_callback(self.waiting.discard)

    def _kill(self, node: Node) -> None:
        node.kill()
        self._soon(self.chance.random() * 3, self.simulation.start)

    def _kill_all(self, node: Node) -> None:
        """Leave everybody alone for longer than the broker knows what it has stored."""
        del node
        for each in self.simulation.nodes:
            each.kill()
        self._soon(DUPLICATE_WINDOW_S + self.chance.random() * 3, self.simulation.start)

    def _drain(self, node: Node) -> None:
        node.executor.stop()
        self._soon(self.chance.random(), self.simulation.start)

    def _cut(self, node: Node) -> None:
        connection = node.connection
        connection.disconnect()

        async def mend() -> None:
            if node.task.done() and not node.killed and not node.has_begun:
                # It could not begin: whoever watches over it starts it again.
                self.simulation.start()
            elif not node.killed:
                await connection.reconnect()

        self._soon(self.chance.random() * 8, mend)

    def _hold(self, node: Node) -> None:
        del node
        gate = self.simulation.cluster.faults.hold_next_append(subject=_LOGS)
        self._soon(self.chance.random() * 8, gate.open)

    def _lose_answer(self, node: Node) -> None:
        del node
        self.simulation.cluster.faults.make_next_append_ambiguous(stored=True, subject=_LOGS)

    def _lose_append(self, node: Node) -> None:
        del node
        self.simulation.cluster.faults.make_next_append_ambiguous(stored=False, subject=_LOGS)

    def _lose_delivery(self, node: Node) -> None:
        del node
        self.simulation.cluster.faults.drop_deliveries(self.chance.randint(1, 3))

    def _fail_reads(self, node: Node) -> None:
        node.broker.journal.reads_to_fail += self.chance.randint(1, 3)

    async def _digest(self) -> str:
        digest = hashlib.sha256()
        journal = self.simulation.client.journal
        for subject in sorted(await journal.subjects("shem.oplog.>")):
            async for message in journal.read(subject):
                line = [message.subject, message.sequence, dict(message.headers), message.time_ns]
                digest.update(json.dumps(line, sort_keys=True).encode() + message.data)
        return digest.hexdigest()
