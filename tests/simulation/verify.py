"""Random programs under random deaths, against a model: any difference fails with its seed.

python -m tests.simulation.verify [--first 0] [--seeds 1000]
"""

import argparse
import asyncio
import logging
import random
import sys
import time
from collections import Counter

import structlog

from tests.simulation.cluster import Simulation, kinds
from tests.simulation.programs import generate, name, predict
from tests.simulation.virtual import run

__all__ = ["check"]

STREAMS_MAX = 3
WORKERS = 200
ROOTS = 40
EXECUTORS = 3


async def _check(seed: int) -> int:
    """Run one seed; return how many invocations there were."""
    dice = random.Random(seed)
    totals: Counter[str] = Counter()
    roots = []
    for _ in range(ROOTS):
        worker = dice.randrange(WORKERS)
        program = generate(dice, WORKERS, worker)
        predict(name(worker), program, totals)
        roots.append((name(worker), program))
    options = {"suspend_after_s": dice.choice([0.5, 10.0]), "streams": 1 + seed % STREAMS_MAX}
    async with Simulation(**options) as simulation:
        for _ in range(EXECUTORS):
            simulation.start()
        killer = asyncio.create_task(_kill(simulation, dice))
        for number, (worker, program) in enumerate(roots):
            await simulation.publish(worker, "run", _text(program), key=f"r{number}")
            if dice.random() < 0.5:
                await asyncio.sleep(2 * dice.random())
        for number in range(ROOTS):
            outcome = await simulation.result(f"r{number}", within_s=7_200)
            assert "error" not in outcome, outcome
        killer.cancel()
        await asyncio.gather(killer, return_exceptions=True)
        await _compare(simulation, totals)
        logs = [await simulation.log(name(worker)) for worker in range(WORKERS)]
        return sum(kinds(log).count("exported-function-completed") for log in logs)


def _text(program: object) -> str:
    return str(program).replace("'", '"').replace("False", "false").replace("True", "true")


async def _kill(simulation: Simulation, dice: random.Random) -> None:
    """Kill executors around an append, or at any time; others start."""
    while True:
        living = [node for node in simulation.nodes if not node.task.done()]
        doomed = dice.choice(living)
        if dice.random() < 0.7:
            journal = doomed.broker.journal
            at = journal.appends + dice.randint(1, 8)
            journal.crash_at = (at, dice.choice(["before", "after"]))
            await asyncio.wait({doomed.task}, timeout=dice.uniform(0.5, 5))
        if dice.random() < 0.2:
            await doomed.stop()
        elif not doomed.task.done():
            doomed.kill()
        simulation.start()
        await asyncio.sleep(dice.uniform(0, 2))


async def _compare(simulation: Simulation, totals: Counter[str]) -> None:
    """Wait until nothing happens any more, then ask every worker for its number."""
    copies = [worker for worker in totals if worker.startswith("copy-")]
    names = [*map(name, range(WORKERS)), *copies]
    expected = {worker: totals[worker] for worker in names}
    found: dict[str, int] = {}
    for attempt in range(40):
        # Whoever asks a copy that has not been made makes a worker in its place.
        made = [copy for copy in copies if await simulation.log(copy)]
        asked = [*map(name, range(WORKERS)), *made]
        keys = {worker: f"get-{attempt}-{worker}" for worker in asked}
        for worker, key in keys.items():
            await simulation.publish(worker, "get", key=key)
        found = {
            worker: (await simulation.result(key, within_s=3_600))["result"]
            for worker, key in keys.items()
        }
        if found == expected:
            break
        await asyncio.sleep(30)
    wrong = {
        worker: (found.get(worker), wanted)
        for worker, wanted in expected.items()
        if found.get(worker) != wanted
    }
    assert not wrong, f"found and expected: {wrong}"


def check(seed: int) -> int:
    """Run one seed; return how many invocations there were.

    Raises:
        AssertionError: a worker's number is not what the model says.
    """
    try:
        return int(run(_check(seed)))
    except BaseException as error:
        error.add_note(f"seed {seed}: python -m tests.simulation.verify --first {seed} --seeds 1")
        raise


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1_000)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    begun = time.monotonic()
    invocations = 0
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        invocations += check(seed)
        took = time.monotonic() - begun
        print(f"seed {seed}: {invocations} invocations so far, {took:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
