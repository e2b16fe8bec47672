"""Mutational fuzzing of everything that reads text or bytes.

    python -m tests.fuzz.run [--seed N] [--seconds S] [TARGET ...]

Each target gets its share of the time. Inputs that were read further than others (by the lines of
`wit` that ran for the first time) are kept and mutated again. An input that raises anything but our
own errors, or takes longer than `HANG_S`, is written to `.cache/fuzz` and ends the run with 1.
"""

import argparse
import random
import signal
import sys
import time
import traceback
from pathlib import Path
from types import CodeType, FrameType
from typing import Final, NoReturn

from tests.fuzz.targets import DICTIONARY, TARGETS, Target, seeds

__all__ = ["fuzz", "main", "mutated"]

HANG_S: Final = 10
_INPUT_BYTES_MAX: Final = 20_000
_POOL_MAX: Final = 2_000
_FOUND: Final = Path(__file__).parents[2] / ".cache" / "fuzz"
_PACKAGE: Final = str(Path(__file__).parents[2] / "wit") + "/"


class HangError(Exception):
    """The target did not come to an end."""


def mutated(chance: random.Random, data: bytes, other: bytes, pieces: tuple[bytes, ...]) -> bytes:
    """Return the data after a few random changes."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        at = chance.randrange(len(changed) + 1)
        length = chance.choice((1, 1, 2, 8, 40))
        match chance.randrange(7):
            case 0 if changed:
                changed[at % len(changed)] = chance.randrange(256)
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = chance.choice(pieces)
            case 3:
                changed[at : at + length] = chance.choice(pieces)
            case 4:
                changed[at:at] = changed[at : at + length] * chance.choice((1, 2, 30))
            case 5 if other:
                start = chance.randrange(len(other))
                changed[at:at] = other[start : start + length * 4]
            case _ if changed:
                changed[at % len(changed)] ^= 1 << chance.randrange(8)
    return bytes(changed[:_INPUT_BYTES_MAX])


class Coverage:
    """Lines of the package that ran, told by the interpreter's tracing."""

    def __init__(self) -> None:
        self.lines: set[tuple[CodeType, int]] = set()

    def grows(self, target: Target, data: bytes) -> bool:
        """Run the target and tell whether it ran a line for the first time."""
        before = len(self.lines)
        sys.settrace(self._enter)
        try:
            target(data)
        finally:
            sys.settrace(None)
        return len(self.lines) > before

    def _enter(self, frame: FrameType, _event: str, _argument: object) -> object:
        if not frame.f_code.co_filename.startswith(_PACKAGE):
            return None
        return self._line

    def _line(self, frame: FrameType, event: str, _argument: object) -> object:
        if event == "line":
            self.lines.add((frame.f_code, frame.f_lineno))
        return self._line


def _alarm(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise HangError(f"longer than {HANG_S} s")


def fuzz(name: str, *, seed: int, seconds: float) -> tuple[int, Path | None]:
    """Fuzz one target. Return how many inputs it got, and the file of one that is wrong."""
    chance = random.Random(f"{seed}:{name}")
    target, pieces = TARGETS[name], DICTIONARY[name]
    pool = seeds(name) or [b""]
    coverage = Coverage()
    signal.signal(signal.SIGALRM, _alarm)
    count, end = 0, time.monotonic() + seconds
    pending = list(pool)
    while pending or time.monotonic() < end:
        fresh = mutated(chance, chance.choice(pool), chance.choice(pool), pieces)
        data = pending.pop() if pending else fresh
        # Tracing is slow: every eighth input is traced, and those that are kept.
        traced = count % 8 == 0
        signal.setitimer(signal.ITIMER_REAL, HANG_S * (10 if traced else 1))
        try:
            if not traced:
                target(data)
            elif coverage.grows(target, data) and len(pool) < _POOL_MAX:
                pool.append(data)
        except BaseException as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            if isinstance(error, KeyboardInterrupt):
                raise
            return count, _report(name, data, error)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        count += 1
    sys.stderr.write(f"{name}: {count} inputs, {len(coverage.lines)} lines, {len(pool)} kept\n")
    return count, None


def _report(name: str, data: bytes, error: BaseException) -> Path:
    _FOUND.mkdir(parents=True, exist_ok=True)
    path = _FOUND / f"{name}-{abs(hash(data)):016x}"
    path.write_bytes(data)
    traceback.print_exception(error)
    sys.stderr.write(f"{name}: {type(error).__name__}, input of {len(data)} bytes in {path}\n")
    return path


def main(arguments: list[str]) -> int:
    """Return the exit status: 1 if a target failed."""
    parser = argparse.ArgumentParser(description="Fuzz the readers of wit.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args(arguments)
    names: list[str] = options.targets or list(TARGETS)
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        parser.error(f"no target {', '.join(unknown)}: there are {', '.join(TARGETS)}")
    failed = False
    for name in names:
        _, found = fuzz(name, seed=options.seed, seconds=options.seconds / len(names))
        failed = failed or found is not None
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
