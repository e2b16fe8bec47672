"""An event loop whose time jumps: a day of sleeps takes as long as its callbacks."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class _JumpingSelector(selectors.SelectSelector):
    """Never waits: time moves on by what would have been waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000.0
        self.turns = 0
        self.strikes: list[tuple[int, Callable[[], None]]] = []

    def select(self, timeout: float | None = None) -> Any:
        self.turns += 1
        while self.strikes and self.strikes[0][0] <= self.turns:
            self.strikes.pop(0)[1]()
        ready = super().select(0)
        if not ready and timeout is not None and timeout > 0:
            self.now_s += timeout
        assert ready or timeout is not None, "nothing will ever happen: the simulation is stuck"
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time advances only when nothing is left to run."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    @property
    def turns(self) -> int:
        """How often the loop went round."""
        return self._jumping.turns

    def strike_after(self, turns: int, callback: Callable[[], None]) -> None:
        """Call back between two turns, as a signal would, before anything that is ready runs."""
        self._jumping.strikes.append((self._jumping.turns + turns, callback))


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on a virtual loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
