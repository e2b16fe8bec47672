"""Many seeds of the simulated attack: `make simulate SEEDS=2000`.

    python -m tests.simulation.run --seeds 2000 [--first 1] [--processes 2]
    python -m tests.simulation.run --first 77 --seeds 1 --verbose     one seed again, with its log

Exit status 0: no seed lost, doubled, reordered or stalled anything. A seed that did is printed with
what went wrong, and repeats itself exactly.
"""

import argparse
import logging
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import structlog

from tests.simulation.attack import Outcome, attack

__all__ = ["main"]


def _quiet(level: int) -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _attack(seed: int) -> Outcome:
    try:
        return attack(seed)
    except Exception as error:  # noqa: BLE001 - a seed that breaks the simulation is a result too
        return Outcome(seed, [f"broke: {type(error).__name__}: {error}"], 0, {}, 0, "")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--verbose", action="store_true", help="show what executors log")
    options = parser.parse_args()
    _quiet(logging.DEBUG if options.verbose else logging.CRITICAL)
    seeds = range(options.first, options.first + options.seeds)
    begun = time.monotonic()
    bad: list[Outcome] = []
    faults: Counter[str] = Counter()
    operations = 0
    with ProcessPoolExecutor(
        options.processes, initializer=_quiet, initargs=(logging.CRITICAL,)
    ) as pool:
        outcomes = map(_attack, seeds) if options.verbose else pool.map(_attack, seeds, chunksize=8)
        for outcome in outcomes:
            operations += outcome.operations
            faults.update(outcome.faults)
            if outcome.problems:
                bad.append(outcome)
                print(f"seed {outcome.seed}:", *outcome.problems, sep="\n  ", flush=True)
    minutes = (time.monotonic() - begun) / 60
    struck = ", ".join(f"{count} {name}" for name, count in sorted(faults.items()))
    print(
        f"{options.seeds} seeds, {operations} operations, {options.seeds / minutes:,.0f} a minute"
    )
    print(f"faults: {struck}")
    print(f"{len(bad)} bad seeds" + "".join(f" {outcome.seed}" for outcome in bad))
    return bool(bad)


if __name__ == "__main__":
    raise SystemExit(main())
