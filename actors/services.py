"""What every worker of an executor shares."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, final

from actors.api.statuses import Statuses
from actors.clock import TimeSource
from actors.directory import Directory
from actors.fork import Forks
from actors.identity import WorkerId
from actors.limits import LOADS_AT_ONCE_MAX
from actors.options import ExecutorOptions
from actors.programs import Programs
from actors.residency import Residency
from actors.tracing import Tracing
from broker.ports import Broker

__all__ = ["Services"]


@final
class Services:
    """Shared by all workers of one executor process."""

    def __init__(
        self,
        *,
        broker: Broker,
        programs: Programs,
        options: ExecutorOptions,
        time: TimeSource,
        residency: Residency,
        spawn: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"],
    ) -> None:
        self.broker = broker
        self.programs = programs
        self.options = options
        self.time = time
        self.residency = residency
        self.spawn = spawn
        self.invocations = 0
        self.tracing = Tracing()
        self.loading = asyncio.Semaphore(LOADS_AT_ONCE_MAX)
        # Unique per attempt to append: two owners must never write different bytes under one id.
        self.answer_here: Callable[[WorkerId, bytes], None] = lambda _worker, _answer: None
        """Hand an answer to a worker that is in the memory of this executor."""
        self._nonce = os.urandom(9).hex()
        self._attempts = count(1)
        self.directory = Directory(Statuses(broker), programs.components)
        self.forks = Forks(broker, next_message_id=self.next_message_id)

    def count_invocation(self) -> None:
        """Count an invocation that ran for the first time."""
        self.invocations += 1

    def new_incarnation(self) -> str:
        """Return a random name for a worker that comes to be."""
        return os.urandom(8).hex()

    def next_message_id(self) -> str:
        """Return a commit id that no executor has ever used."""
        return f"{self._nonce}-{next(self._attempts)}"
