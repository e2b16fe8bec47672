"""What a guest can wait for, and waiting for the first of several.

A pollable is an observation of something else: it may be asked and waited for any number of times,
by several waits at once, and a wait may be cancelled without losing the event.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, final

from actors.engine.errors import GuestTrap
from actors.host.context import HostContext
from actors.host.saving import StateKey, refuses, saveable

__all__ = [
    "POLLABLES_MAX",
    "Always",
    "AnswerReady",
    "Event",
    "Never",
    "Pollable",
    "Timer",
    "reported_answers",
    "wait_for_any",
]

# More than any event loop waits for at once; bounds the tasks that one host call makes.
POLLABLES_MAX: Final = 10_000
# A wait that must not suspend the worker, since a connection would break, is made of short ones.
_TURN_NS: Final = 1_000_000_000
_REPORTED: Final = StateKey("rpc/reported-answers")


class Pollable(ABC):
    """Something that becomes ready."""

    @abstractmethod
    def ready(self, context: HostContext) -> bool:
        """Tell whether waiting would return at once."""

    async def wait(self, context: HostContext) -> None:
        """Return when ready, or earlier by mistake: callers ask `ready` again."""
        del context

    def reported(self, context: HostContext) -> None:
        """The guest was told that it is ready, now or before a crash."""
        del context

    def close(self, context: HostContext) -> None:
        """The guest dropped its handle."""
        del context


@saveable("io/always-ready")
@final
class Always(Pollable):
    """Ready from the start: what never makes its user wait, such as console output."""

    def ready(self, context: HostContext) -> bool:
        """Tell that it is ready."""
        del context
        return True


@saveable("io/never-ready")
@final
class Never(Pollable):
    """Never ready. A guest that waits for nothing else traps, since nothing could ever wake it."""

    def ready(self, context: HostContext) -> bool:
        """Tell that it is not ready."""
        del context
        return False


@saveable("io/timer", "deadline_ns")
@final
class Timer(Pollable):
    """Ready from `deadline_ns` of the worker's monotonic clock on."""

    def __init__(self, deadline_ns: int) -> None:
        self.deadline_ns = deadline_ns

    def ready(self, context: HostContext) -> bool:
        """Compare with the clock."""
        return context.clock.monotonic_ns() >= self.deadline_ns


@saveable("rpc/answer-ready", "index")
@final
class AnswerReady(Pollable):
    """Ready when what was asked at `index` of the oplog is answered.

    The answer is a durable message, so waiting for nothing else may take any time: the worker
    leaves memory meanwhile.
    """

    def __init__(self, index: int) -> None:
        self.index = index

    def ready(self, context: HostContext) -> bool:
        """Ask."""
        return context.is_answered(self.index)

    async def wait(self, context: HostContext) -> None:
        """Wait, together with what is no durable message."""
        while not context.is_answered(self.index):
            await context.wait_for_answers((self.index,), context.clock.monotonic_ns() + _TURN_NS)

    def reported(self, context: HostContext) -> None:
        """Remember it until the answer is taken, or nobody wants it any more."""
        reported_answers(context).add(self.index)


def reported_answers(context: HostContext) -> set[int]:
    """Return the entries of whose answers the guest knows that they are there.

    An answer of a worker in the same process is not stored before it is observed. If the executor
    dies in between, the log may say that it is there when it is not there yet again.
    """
    reported: set[int] = context.state.setdefault(_REPORTED, set())
    return reported


@refuses("it waits for something outside")
@final
class Event(Pollable):
    """Ready when `is_ready()` says so; `wait_until_ready()` waits for it and may be cancelled.

    For what arrives from outside the guest: replies, promise completions, bytes of a connection.
    """

    def __init__(
        self,
        is_ready: Callable[[], bool],
        wait_until_ready: Callable[[], Awaitable[object]],
    ) -> None:
        self._is_ready = is_ready
        self._wait = wait_until_ready

    def ready(self, context: HostContext) -> bool:
        """Ask."""
        del context
        return self._is_ready()

    async def wait(self, context: HostContext) -> None:
        """Wait."""
        del context
        await self._wait()


async def wait_for_any(context: HostContext, pollables: Sequence[Pollable]) -> list[int]:
    """Wait until at least one is ready and return the indices of all that are, ascending.

    When only timers and answers can end the wait it goes through `HostContext.sleep_until` or
    `wait_for_answers`, so that the worker may leave memory meanwhile.

    Raises:
        GuestTrap: the list is empty or too long, or nothing in it can ever become ready.
    """
    if not pollables:
        raise GuestTrap("poll: the list of pollables is empty; pass at least one")
    if len(pollables) > POLLABLES_MAX:
        raise GuestTrap(
            f"poll: {len(pollables)} pollables, at most {POLLABLES_MAX} are allowed", kind="limit"
        )
    deadlines = [pollable.deadline_ns for pollable in pollables if isinstance(pollable, Timer)]
    deadline_ns = min(deadlines, default=None)
    events = [one for one in pollables if not isinstance(one, Timer | Always | Never)]
    answers = [one.index for one in events if isinstance(one, AnswerReady)]
    if len(answers) == len(events):
        events = []
    while True:
        ready = [index for index, one in enumerate(pollables) if one.ready(context)]
        if ready:
            return ready
        if events:
            await _wait_for_events(context, events, deadline_ns)
        elif answers:
            await context.wait_for_answers(answers, deadline_ns)
        elif deadline_ns is not None:
            await context.sleep_until(deadline_ns)
        else:
            raise GuestTrap("poll: none of the pollables can ever become ready")


async def _wait_for_events(
    context: HostContext, events: Sequence[Pollable], deadline_ns: int | None
) -> None:
    timeout_s = None
    if deadline_ns is not None:
        timeout_s = max(0, deadline_ns - context.clock.monotonic_ns()) / 1e9
    if len(events) == 1 and timeout_s is None:
        await events[0].wait(context)
        return
    tasks = [asyncio.ensure_future(event.wait(context)) for event in events]
    try:
        done, _ = await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        # Cancelled waits have to end here: they must not outlive the host call that made them.
        await asyncio.gather(*tasks, return_exceptions=True)
