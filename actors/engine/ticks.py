"""The ticks of one engine, which end the slices of guests that run.

A thread of its own makes them, since a guest that computes gives nobody else a turn. It sleeps
while no guest runs: an executor whose workers have nothing to do costs nothing.

A tick takes the interpreter's lock from whoever works. Guests that run for microseconds need none,
so that ticks are rare until one computes for long.
"""

import threading
from typing import Final, final

from actors.engine import bindings
from actors.engine.bindings import Address
from actors.engine.limits import RARE_TICK_S, TICK_S

__all__ = ["Ticks"]

# Falling asleep and waking up costs as much as a few ticks.
_QUIET_TICKS_MAX: Final = 2
# How many ticks follow each other quickly behind a long slice.
_HURRIED_TICKS: Final = 100


@final
class Ticks:
    """Told by the one thread that runs guests when it begins and ends."""

    def __init__(self, engine: Address) -> None:
        self._engine = engine
        self._begun = 0
        self._ended = 0
        self._hurried = 0
        self._is_asleep = False
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine-ticks", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Guest code begins to run; the first tick comes within `RARE_TICK_S`."""
        self._begun += 1
        if self._is_asleep:
            self._wake()

    def end(self) -> None:
        """Guest code that has begun runs no more."""
        self._ended += 1

    def hurry(self) -> None:
        """Guest code computes for long: for a second from now on, ticks are `TICK_S` apart."""
        self._hurried = _HURRIED_TICKS

    def _wake(self) -> None:
        self._is_asleep = False
        self._woken.set()

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        self._stopped.set()
        self._wake()
        self._thread.join()

    def _run(self) -> None:
        seen, quiet = 0, 0
        while not self._stopped.wait(self._pause_s()):
            bindings.increment_epoch(self._engine)
            begun = self._begun
            if begun != seen or begun != self._ended:
                seen, quiet = begun, 0
                continue
            quiet += 1
            if quiet > _QUIET_TICKS_MAX:
                self._sleep(seen)
                quiet = 0

    def _pause_s(self) -> float:
        if not self._hurried:
            return RARE_TICK_S
        self._hurried -= 1
        return TICK_S

    def _sleep(self, seen: int) -> None:
        # First said, then looked, while the other side first begins and then asks: whoever comes
        # second sees the first, so that no guest runs without ticks.
        self._is_asleep = True
        if self._begun == seen and not self._stopped.is_set():
            self._woken.wait()
        self._is_asleep = False
        self._woken.clear()
