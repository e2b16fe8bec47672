"""Child processes that are kept alive: started again after a crash, ended in order."""

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping, Sequence
from typing import Final, final

import structlog

from shem import logging

__all__ = ["Child", "ChildFailedError"]

RESTART_DELAY_MIN_S: Final = 0.1
RESTART_DELAY_MAX_S: Final = 5.0
# A child that has run this long was well: its next crash starts with the shortest delay again.
HEALTHY_AFTER_S: Final = 30.0
# A child that never became ready after so many attempts will not do so by itself.
FIRST_STARTS_MAX: Final = 5
DRAIN_TIMEOUT_S: Final = 30.0

log = structlog.get_logger(__name__)


class ChildFailedError(Exception):
    """A child does not start; its own log says why."""


@final
class Child:
    """A supervised process that says it is ready by its first line on stdout.

    Its stdin is a pipe that ends when we do, whatever ends us.
    """

    def __init__(
        self,
        label: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        on_change: Callable[[], None],
    ) -> None:
        self.label = label
        self._command = command
        self._environment = environment
        self._on_change = on_change
        self._process: Process | None = None
        self._ready = asyncio.Event()
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return None if self._process is None else self._process.pid

    async def wait_until_ready(self) -> None:
        """Return when the process has been ready once."""
        await self._ready.wait()

    async def supervise(self) -> None:
        """Run the process until `stop`, starting it again whenever it ends.

        Raises:
            ChildFailedError: it ended several times without ever becoming ready.
        """
        delay_s = RESTART_DELAY_MIN_S
        starts = 0
        while not self._stopping:
            started = time.monotonic()
            starts += 1
            status = await self._run_once()
            if self._stopping:
                return
            if not self._ready.is_set() and starts >= FIRST_STARTS_MAX:
                raise ChildFailedError(
                    f"{self.label} ended {starts} times without becoming ready "
                    f"(last exit status {status}); see its messages above"
                )
            if time.monotonic() - started > HEALTHY_AFTER_S:
                delay_s = RESTART_DELAY_MIN_S
            log.error("process ended; starting it again", child=self.label, exit_status=status)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, RESTART_DELAY_MAX_S)

    async def stop(self, *, timeout_s: float = DRAIN_TIMEOUT_S) -> None:
        """Ask the process to leave, and end it if it takes longer than `timeout_s`."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        _signal(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(timeout_s):
                await process.wait()
        except TimeoutError:
            log.error(  # noqa: TRY400 - the traceback of a time-out tells nothing
                "process did not leave in time: killing it", child=self.label, timeout_s=timeout_s
            )
            _signal(process, signal.SIGKILL)
            await process.wait()

    def kill(self) -> None:
        """End the process at once."""
        self._stopping = True
        if self._process is not None:
            _signal(self._process, signal.SIGKILL)

    async def _run_once(self) -> int:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            env={**os.environ, **self._environment},
            # A terminal's interrupt goes to the whole group, but we are the one who decides.
            start_new_session=True,
        )
        self._process = process
        if self._stopping:
            _signal(process, signal.SIGTERM)
        try:
            assert process.stdout is not None, "stdout was asked for as a pipe"
            if await process.stdout.readline():
                self._ready.set()
                self._on_change()
            # Whatever else it prints is not ours to interpret, but must not fill the pipe.
            while rest := await process.stdout.read(65_536):
                logging.say(rest)
            return await process.wait()
        finally:
            # One that still runs, since our task was cancelled, is ended by `stop`.
            if process.returncode is not None:
                self._process = None
            self._on_change()


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)
