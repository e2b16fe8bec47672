"""asyncio in a guest: an event loop that waits with `wasi:io/poll`.

    import shem_loop
    result = shem_loop.run(main())

Timers, tasks, queues, locks, timeouts and task groups of `asyncio` work. What the world offers as
a pollable is awaited with `await shem_loop.ready(pollable)`, which drops it. There are no threads
and no subprocesses in a guest. A program that waits for nothing but time leaves memory meanwhile.

The world of the component must import `wasi:io/poll` and `wasi:clocks/monotonic-clock`.
"""

import asyncio
import importlib
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["WasiEventLoop", "ready", "run"]

_Result = TypeVar("_Result")


def _imported(*names: str) -> Any:
    for name in names:
        try:
            return importlib.import_module(f"wit_world.imports.{name}")
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(f"the world of this component does not import {names[0]}")


# The bindings qualify a name that another package has too.
_poll = _imported("poll", "wasi_io_poll")
_clock = _imported("monotonic_clock", "wasi_clocks_monotonic_clock")


class _Selector:
    """What the loop waits with, in the place of a selector of sockets."""

    def __init__(self) -> None:
        self.waiting: dict[Any, asyncio.Future[None]] = {}

    def select(self, timeout: float | None) -> list[Any]:
        """Return the pollables that are ready within `timeout` seconds; None: for ever."""
        pollables = list(self.waiting)
        if timeout is not None and timeout <= 0:
            return [one for one in pollables if one.ready()]
        if timeout is None:
            if not pollables:
                raise RuntimeError("deadlock: every task waits for another one")
            return [pollables[index] for index in _poll.poll(pollables)]
        with _clock.subscribe_duration(int(timeout * 1e9)) as timer:
            ready = _poll.poll([*pollables, timer])
        return [pollables[index] for index in ready if index < len(pollables)]

    def close(self) -> None:
        """Forget what is waited for."""
        self.waiting.clear()


class WasiEventLoop(asyncio.BaseEventLoop):
    """The scheduling is asyncio's own; only the waiting is done here."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Selector()

    def time(self) -> float:
        """Return the worker's monotonic time in seconds."""
        return time.monotonic()

    def close(self) -> None:
        """Close the loop."""
        super().close()
        self._selector.close()

    def _process_events(self, event_list: list[Any]) -> None:
        for pollable in event_list:
            future = self._selector.waiting.pop(pollable, None)
            if future is not None and not future.done():
                future.set_result(None)

    def _write_to_self(self) -> None:
        """There is no other thread that could wake this one."""

    async def ready(self, pollable: Any) -> None:
        """Wait until `pollable` is ready, and drop it."""
        future: asyncio.Future[None] = self.create_future()
        self._selector.waiting[pollable] = future
        try:
            await future
        finally:
            self._selector.waiting.pop(pollable, None)
            pollable.__exit__(None, None, None)


async def ready(pollable: Any) -> None:
    """Wait until `pollable` is ready, and drop it. May be cancelled."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, WasiEventLoop), "the program was not started with shem_loop.run"
    await loop.ready(pollable)


def run(main: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end and return its result, like `asyncio.run`."""
    with asyncio.Runner(loop_factory=WasiEventLoop) as runner:
        return runner.run(main)
