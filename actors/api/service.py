"""The management service: `shem.api.<noun>.<verb>`, served by every executor in one queue group."""

import asyncio
import time
from typing import Final, final

import structlog

from actors.api.discovery import Counts, Endpoint
from actors.api.routes import UNAVAILABLE, Routes, answer, fail
from broker import subjects
from broker.ports import Request, Signals, Subscription

__all__ = ["ApiService"]

REQUESTS_AT_ONCE_MAX: Final = 64
GROUP: Final = "shem-api"

_log = structlog.get_logger(__name__)


@final
class ApiService:
    """Answers management requests, each in a task of its own, in no particular order."""

    def __init__(self, signals: Signals, routes: Routes) -> None:
        self._signals = signals
        self._routes = routes
        self.counts = {name: Counts() for name in routes}
        """What was asked of each operation."""
        self._subscription: Subscription | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def endpoints(self) -> list[Endpoint]:
        """Return the operations as NATS describes them."""
        return [
            Endpoint(name.replace(".", "-"), f"{subjects.API}.{name}", GROUP, counts)
            for name, counts in sorted(self.counts.items())
        ]

    async def start(self) -> None:
        """Take requests from now on."""
        self._subscription = await self._signals.serve(
            f"{subjects.API}.*.*", self._on_request, group=GROUP
        )

    async def stop(self) -> None:
        """Take no more, answer what was taken."""
        if self._subscription is not None:
            await self._subscription.close()
            self._subscription = None
        await asyncio.gather(*self._tasks)

    def _on_request(self, request: Request) -> None:
        if len(self._tasks) >= REQUESTS_AT_ONCE_MAX:
            busy = fail(UNAVAILABLE, f"{REQUESTS_AT_ONCE_MAX} requests are running; try again")
            self._signals.publish(request.reply_to, busy)
            return
        task = asyncio.create_task(self._answer(request), name=request.subject)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, request: Request) -> None:
        name = request.subject.removeprefix(f"{subjects.API}.")
        begun_ns = time.perf_counter_ns()
        data = await answer(self._routes, name, request)
        error = data.decode() if data.startswith(b'{"error"') else None
        if error is not None:
            _log.info("request refused", request=name, answer=error)
        if name in self.counts:
            self.counts[name].count(time.perf_counter_ns() - begun_ns, error)
        self._signals.publish(request.reply_to, data)
