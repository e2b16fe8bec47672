"""Texts that are almost programs, against everything that reads them: `make fuzzrib`.

    python -m tests.fuzz.rib --seed 1 --seconds 60

Takes the programs of the golden files apart and puts them together again. Nothing may crash, take
longer than a limit, or point outside of the text; what compiles may only fail in the listed ways.
Ends with status 1 and the text that did it.
"""

import argparse
import asyncio
import contextlib
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import rib
from tests.unit.rib.shop import COMPONENTS, Echo

GOLDEN = Path(__file__).parents[1] / "unit" / "rib" / "golden"
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*|[0-9]+|\s+|.", re.DOTALL)
WORKER = 'let w = instance("w"); '
ONE_TEXT_LIMIT_S = 10.0
CATALOG = rib.Catalog(COMPONENTS)


def programs() -> list[str]:
    found: list[str] = []
    for file in sorted(GOLDEN.glob("*.txt")):
        lines = re.findall(r"^> (.*)$", file.read_text(), re.MULTILINE)
        found += [
            line.replace("{B}", "{W}").replace("{W}", 'let w = instance("w"); ') for line in lines
        ]
    return found


def mutated(chance: random.Random, known: list[str]) -> str:
    """Return a program with pieces of others in it."""
    words = WORD.findall(chance.choice(known))
    for _ in range(chance.randint(1, 6)):
        other = WORD.findall(chance.choice(known))
        start = chance.randrange(len(words) + 1)
        end = min(len(words), start + chance.choice((0, 0, 1, 1, 2, 5)))
        first = chance.randrange(len(other)) if other else 0
        piece = other[first : first + chance.choice((0, 1, 1, 2, 4, 12))]
        words[start:end] = piece * chance.choice((1, 1, 1, 1, 40))
    return "".join(words)


def read(text: str, chance: random.Random) -> None:
    """Let everything read a text."""
    for finding in rib.check(text, COMPONENTS):
        assert 0 <= finding.start <= finding.end <= len(text), finding
        assert rib.report([finding], text)
    offset = chance.randrange(len(text) + 1)
    for proposal in rib.complete(text, offset, CATALOG):
        assert 0 <= proposal.start <= offset, proposal
    rib.hover(text, offset, CATALOG)
    assert all(piece.start < piece.end for piece in rib.scan(text))
    try:
        program = rib.compile(text, COMPONENTS)
    except rib.CompileError:
        return
    if not program.inputs:
        with contextlib.suppress(rib.RunError):
            asyncio.run(program.run(Echo(), steps=100_000, units=1_000_000))


def fuzz(seed: int, keep_on: Callable[[int], bool]) -> int:
    """Return how many texts were read; raises for one that should not have done what it did."""
    chance, known, count = random.Random(seed), programs(), 0
    while keep_on(count):
        text = mutated(chance, known)
        started = time.monotonic()
        try:
            read(text, chance)
        except Exception as error:
            raise AssertionError(f"seed {seed}, text {count}: {text!r}") from error
        took_s = time.monotonic() - started
        assert took_s < ONE_TEXT_LIMIT_S, f"seed {seed}, text {count} took {took_s:.1f} s: {text!r}"
        count += 1
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    count = fuzz(options.seed, lambda _: time.monotonic() < end)
    print(f"{count} texts, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
