"""The worker as its host functions see it: the executor's implementation of `HostContext`."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, final

from actors.clock import WorkerClock
from actors.durability import step, waiting_step
from actors.errors import SuspendGuest
from actors.host.context import LogLevel, OutputStream, SharedStores
from actors.host.interface import Kind
from actors.identity import WorkerId
from actors.journal import WorkerJournal
from actors.limits import LOG_MESSAGE_BYTES_MAX
from wit.types import Type

__all__ = ["WorkerContext"]


@final
class WorkerContext:
    """Handed to every host call of one instance, as its `data`."""

    def __init__(
        self,
        worker_id: WorkerId,
        *,
        journal: WorkerJournal,
        clock: WorkerClock,
        arguments: Sequence[str],
        environment: Sequence[tuple[str, str]],
        suspend_after_s: float,
        stores: SharedStores,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.component = worker_id.component
        self.worker = worker_id.worker
        self.journal = journal
        self.clock = clock
        self.arguments = arguments
        self.environment = environment
        self.stores = stores
        self.state: dict[object, Any] = {}
        self.random_bytes = entropy
        self._closing: list[Callable[[], None]] = []
        self._suspend_after_ns = round(suspend_after_s * 1e9)

    def write_output(self, stream: OutputStream, data: bytes) -> None:
        """Emit guest output in pieces that fit an entry; bytes that are no UTF-8 show as U+FFFD."""
        for start in range(0, len(data), LOG_MESSAGE_BYTES_MAX):
            piece = data[start : start + LOG_MESSAGE_BYTES_MAX]
            self.journal.output(stream, piece.decode(errors="replace"))

    def write_log(self, level: LogLevel, context: str, message: str) -> None:
        """Emit a line of the guest's log, cut where it would not fit an entry."""
        self.journal.output(level, message[:LOG_MESSAGE_BYTES_MAX], context=context)

    async def committed(self) -> None:
        """Return when everything recorded so far is committed."""
        await self.journal.committed()

    async def pace(self) -> None:
        """Let others run; a guest far ahead of its commits waits for the broker."""
        await asyncio.sleep(0)
        await self.journal.throttle()

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the instance ends, however it ends."""
        self._closing.append(callback)

    def close(self) -> None:
        """Run what was asked for at the end, newest first."""
        while self._closing:
            self._closing.pop()()

    @property
    def recorded_wall_ns(self) -> int:
        """Unix time of the newest entry that replay consumes, in nanoseconds."""
        return self.journal.recorded_ms * 1_000_000

    def record(self, name: str, kind: Kind, type_: Type, live: Callable[[], Any]) -> Any:
        """Return what `live()` returns, recorded; at replay the recorded value."""
        return step(self.journal, name, kind, type_, live)

    async def record_wait(
        self, name: str, kind: Kind, type_: Type, live: Callable[[], Awaitable[Any]]
    ) -> Any:
        """Like `record`, for what has to wait."""
        return await waiting_step(self.journal, name, kind, type_, live)

    async def sleep_until(self, monotonic_ns: int) -> None:
        """Wait for a point of the worker's clock; long waits leave the guest by `SuspendGuest`."""
        while (remaining_ns := monotonic_ns - self.clock.monotonic_ns()) > 0:
            if remaining_ns >= self._suspend_after_ns:
                raise SuspendGuest(self.clock.unix_ms(monotonic_ns))
            await asyncio.sleep(remaining_ns / 1e9)
