"""Instances made, called, suspended in every way there is, saved, restored and closed.

Run: python -m tests.soak [--seconds S]

For as long as one likes: a day of a busy executor in twenty minutes. Exit status 1 if memory,
mappings, handles or anything that the engine counts grows. What lives is in
`tests/integration/engine/soak_kinds.py`, the short form in `test_leaks.py` there.
"""

import argparse
import asyncio
import gc
import sys
import time
from collections import Counter
from pathlib import Path

from tests.support.system import CODE

GUESTS = Path(__file__).parent / "integration" / "engine"
WARM_UP = 0.1
ROUND = 400
# An interpreter takes a hundred times longer than what else lives here.
INTERPRETED_EVERY = 40
# A page or two for each of the instances of a round would be a hundred times more.
BYTES_PER_ROUND_MAX = 20_000
MAPPINGS_MAX = 40


def mappings():
    return len(Path("/proc/self/maps").read_text().splitlines())


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


async def soak(seconds):
    """Return what was measured after each round past the first ones, and what was done."""
    sys.path.insert(0, str(GUESTS))
    import soak_kinds

    from actors.engine import store
    from actors.engine.engine import WasmtimeEngine

    engine = WasmtimeEngine(CODE)
    plain = await soak_kinds.plain(engine)
    moved = await soak_kinds.moved(engine)
    interpreted = await soak_kinds.interpreted(engine)
    counted = Counter()

    async def one_round():
        for number in range(ROUND):
            kinds = interpreted if number % INTERPRETED_EVERY == 0 else (plain, moved)[number % 2]
            one = kinds[number // 2 % len(kinds)]
            counted[one.name] += 1
            counted["snapshots"] += await one.live()
        gc.collect()
        # Each program that saves keeps one new instance to compare with.
        kept = len(moved) + len(interpreted)
        assert len(store.stores) <= kept
        assert len(store._by_context) <= kept
        assert engine.live_count == 0
        return resident_bytes(), mappings(), open_files(), len(gc.get_objects())

    measured = []
    began = time.monotonic()
    while len(measured) < 4 or time.monotonic() - began < seconds:
        figures = await one_round()
        if measured or time.monotonic() - began > seconds * WARM_UP:
            measured.append(figures)
    engine.close()
    return measured, counted


def growth(measured):
    """Say what grew, by comparing the first and the last third."""
    third = max(1, len(measured) // 3)
    rounds = max(1, len(measured) - third)
    first, last = measured[:third], measured[-third:]
    mean = [
        [sum(each[index] for each in part) / third for index in range(4)] for part in (first, last)
    ]
    problems = []
    if mean[1][0] - mean[0][0] > BYTES_PER_ROUND_MAX * rounds + 2_000_000:
        problems.append(f"memory: {mean[0][0]:.0f} to {mean[1][0]:.0f} bytes")
    if mean[1][1] > mean[0][1] + MAPPINGS_MAX:
        problems.append(f"mappings: {mean[0][1]:.0f} to {mean[1][1]:.0f}")
    if mean[1][2] > mean[0][2] + 1:
        problems.append(f"open files: {mean[0][2]:.0f} to {mean[1][2]:.0f}")
    if mean[1][3] > mean[0][3] * 1.02 + 500:
        problems.append(f"objects: {mean[0][3]:.0f} to {mean[1][3]:.0f}")
    return problems


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1200)
    options = parser.parse_args()
    measured, counted = asyncio.run(soak(options.seconds))
    problems = growth(measured)
    first, last = measured[0], measured[-1]
    print(
        f"{counted.total() - counted['snapshots']} lives, "
        f"{counted['snapshots']} times restored from a snapshot; "
        f"memory {first[0] >> 20} to {last[0] >> 20} MiB, "
        f"mappings {first[1]} to {last[1]}, objects {first[3]} to {last[3]}"
    )
    print(", ".join(f"{name}: {count}" for name, count in sorted(counted.items())))
    for problem in problems:
        print(f"grows: {problem}")
    return bool(problems)


if __name__ == "__main__":
    raise SystemExit(main())
