"""What one run of a program owns: variables, inputs, and what it may still spend."""

from collections.abc import Sequence
from typing import final

from msgspec import Struct

from rib.diagnostics import Code
from rib.fault import Fault
from rib.limits import STEPS_MAX, VALUE_UNITS_MAX
from wit.values import Value

__all__ = ["Counters", "Frame"]


class Counters(Struct):
    """What numbers the calls and the unnamed instances of a run.

    Runs that share counters never give two calls the same position.
    """

    position: int = 0
    ordinal: int = 0


@final
class Frame:
    """The state beside the stack. `units` is what values may still take."""

    __slots__ = ("_counters", "_steps", "guards", "inputs", "slots", "units")

    def __init__(
        self,
        slot_count: int,
        inputs: Sequence[Value],
        *,
        steps: int = STEPS_MAX,
        units: int = VALUE_UNITS_MAX,
        counters: Counters | None = None,
    ) -> None:
        self.slots: list[Value] = [None] * slot_count
        self.inputs = inputs
        self.units = min(units, VALUE_UNITS_MAX)
        self._steps = min(steps, STEPS_MAX)
        self._counters = counters or Counters()
        # Where failures that are expected continue, and how high the stack was before them.
        self.guards: list[tuple[int, int]] = []

    def spend(self, steps: int) -> None:
        """Count instructions of a loop; code without loops ends by itself."""
        self._steps -= steps
        if self._steps < 0:
            cause = "the program takes too many steps"
            raise Fault(Code.LIMIT, cause, f"the limit is {STEPS_MAX} instructions")

    def allocate(self, units: int) -> None:
        """Count members and characters of values that come into being."""
        self.units -= units
        if self.units < 0:
            cause = "the values of the program grow too large"
            raise Fault(Code.LIMIT, cause, f"the limit is {VALUE_UNITS_MAX} units in a run")

    def next_ordinal(self) -> int:
        """Return the number of the next instance without a name."""
        self._counters.ordinal += 1
        return self._counters.ordinal - 1

    def next_position(self) -> int:
        """Return the position of the next call."""
        self._counters.position += 1
        return self._counters.position - 1
