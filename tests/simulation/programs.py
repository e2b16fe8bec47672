"""Random programs over workers that call each other, and what has to come of them.

A program is a list of steps; those in the middle carry a program for another worker.

| step | does |
|---|---|
| `add N` | adds to the worker's own number |
| `roll`, `sleep MS` | asks the outside world, waits |
| `call W P` | has worker W run P, waits |
| `begin W P`, …, `await` | has several run at once, then waits for all |
| `tell W P` | has worker W run P, does not wait |
| `later W P S C` | the same in S seconds, taken back at once if C |
| `fail W` | calls W, which fails, and goes on |
| `fork C P` | makes a copy C of the worker, which begins at zero, runs P and nothing else |

What waits goes to workers of a higher number only, or programs would wait for one another. Adding
is all that workers do, so the numbers at the end do not depend on the order.
"""

import random
from collections import Counter
from typing import Any, TypeAlias

__all__ = ["Program", "generate", "predict"]

Program: TypeAlias = list[list[Any]]

DEPTH_MAX = 3
STEPS_MAX = 4
LATER_S_MAX = 120
CANCELLED_S_MIN = 3_600
FAILED = 1_000_000


def generate(dice: random.Random, workers: int, at: int = 0, depth: int = 0) -> Program:
    """Return a program for worker number `at`."""
    steps: Program = []
    begun = False
    for _ in range(dice.randint(1, STEPS_MAX)):
        kinds = ["add", "add", "roll", "sleep", "fail"]
        if depth < DEPTH_MAX:
            kinds += ["tell", "later", "call", "begin", "begin", "fork"]
        kind = dice.choice(kinds)
        if kind in {"call", "begin"} and at + 1 >= workers:
            kind = "add"
        match kind:
            case "add":
                steps.append([kind, dice.randint(1, 9)])
            case "roll":
                steps.append([kind])
            case "sleep":
                steps.append([kind, dice.choice([1, 50, 3_000, 15_000])])
            case "fail":
                steps.append([kind, f"doomed-{dice.randint(0, 3)}"])
            case "fork":
                copy = f"copy-{dice.getrandbits(48):x}"
                steps.append([kind, copy, generate(dice, workers, at, depth + 1)])
            case "call" | "begin":
                target = dice.randint(at + 1, workers - 1)
                steps.append([kind, name(target), generate(dice, workers, target, depth + 1)])
                begun = begun or kind == "begin"
            case _:
                target = dice.randrange(workers)
                step = [kind, name(target), generate(dice, workers, target, depth + 1)]
                if kind == "later":
                    seconds, cancelled = dice.randint(1, LATER_S_MAX), dice.random() < 0.3
                    # An executor may die between the look at the clock and the cancellation.
                    step += [seconds + cancelled * CANCELLED_S_MIN, cancelled]
                steps.append(step)
    return [*steps, ["await"]] if begun else steps


def name(worker: int) -> str:
    return f"w{worker}"


def predict(worker: str, program: Program, totals: Counter[str]) -> None:
    """Add to `totals` what a program adds to the number of each worker."""
    for step, *arguments in program:
        match step:
            case "add":
                totals[worker] += arguments[0]
            case "fail":
                totals[worker] += FAILED
            case "call" | "begin" | "tell" | "fork":
                predict(arguments[0], arguments[1], totals)
            case "later" if not arguments[3]:
                predict(arguments[0], arguments[1], totals)
            case _:
                pass
