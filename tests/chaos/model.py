"""What a worker of the load guest must answer: the guest again, in a few lines of Python."""

from collections import Counter
from typing import Any, assert_never, cast

from msgspec import Struct, field

__all__ = ["Drawn", "Exactly", "Model"]

_U64 = 2**64


class Exactly(Struct, frozen=True):
    """The answer must be this."""

    value: int


class Drawn(Struct, frozen=True):
    """The answer must be the random number that the log recorded during the invocation."""


class Model(Struct):
    """The state of one worker."""

    total: int = 0
    drawn: int = 0
    violations: int = 0
    newest: Counter[int] = field(default_factory=lambda: cast("Counter[int]", Counter()))

    def expect(self, function: str, params: list[Any]) -> Exactly | Drawn | None:
        """Carry the invocation out and return what it must answer; None: no such function."""
        match function, params:
            case "add", [int(value)]:
                self.total = (self.total + value) % _U64
                return Exactly(self.total)
            case ("get", []) | ("nap", [int()]):
                return Exactly(self.total)
            case "roll", []:
                return Drawn()
            case "rolled", []:
                return Exactly(self.drawn)
            case "step", [int(publisher), int(number)]:
                self.violations += number != self.newest[publisher] + 1
                self.newest[publisher] = number
                return Exactly(self.violations)
            case _:
                return None

    def fits(self, expected: Exactly | Drawn, answer: object, drawn: list[object]) -> bool:
        """Say whether the answer is right; `drawn` are the random numbers that were recorded."""
        match expected:
            case Exactly(value=value):
                return answer == value and not drawn
            case Drawn():
                if [answer] == drawn and isinstance(answer, int):
                    self.drawn = answer
                    return True
                return False
            case _:
                assert_never(expected)
