"""Virtual time beside real connections: the clock jumps only when nothing real can happen."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from tests.simulation.virtual import VirtualLoop

# How long bytes on their way through the loopback interface are waited for before time jumps.
GRACE_S = 0.0005
THREAD_GRACE_S = 0.02
STUCK_S = 10


class _PatientSelector:
    """Asks for real events first. A jump with a thread at work would time out what it does."""

    def __init__(self, jumping: Any) -> None:
        self._jumping = jumping
        self.threads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jumping, name)

    def select(self, timeout: float | None = None) -> Any:
        wait = super(type(self._jumping), self._jumping).select
        if timeout is not None and timeout <= 0:
            return wait(0)
        while True:
            has_connections = len(self._jumping.get_map()) > 1
            grace = THREAD_GRACE_S if self.threads else GRACE_S if has_connections else 0
            if ready := wait(grace):
                return ready
            if not self.threads and timeout is None and (ready := wait(STUCK_S)):
                # A thread that was not started by `run_in_executor`: the pool's own end.
                return ready
            if not self.threads:
                return self._jumping.select(timeout)


class PatientLoop(VirtualLoop):
    """A virtual loop for tests with a server in the same loop, and with threads."""

    def __init__(self) -> None:
        super().__init__()
        self._patient = _PatientSelector(self._selector)
        self._selector = self._patient

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        self._patient.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: object) -> None:
        self._patient.threads -= 1


def run(main: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on a patient loop."""
    with asyncio.Runner(loop_factory=PatientLoop) as runner:
        return runner.run(main)
