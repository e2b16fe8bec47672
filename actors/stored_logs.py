"""How many bytes the logs of a component take up, where its quota says how many they may.

Counted beside everything else, from the log itself: every few seconds what has come since is read
and added. Nothing is counted with an invocation, so that as much more may be stored as comes within
those seconds. Where there is too much already all is counted anew, since workers may have been
deleted. Other components cost nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, final

import structlog

from actors.errors import QuotaError
from actors.quota_policy import Quota
from broker import subjects
from broker.errors import BrokerError
from broker.ports import Broker, Message

__all__ = ["NOT_COUNTED", "StoredLogs", "StoredSize", "too_much"]

COUNT_S: Final = 2.0
# Counting takes one twentieth of the time at most.
COUNT_SHARE_MAX: Final = 0.05
COUNT_WAIT_MAX_S: Final = 60.0
# A component of which nobody has run anything for so long is not counted on until somebody does.
FORGET_S: Final = 600.0
MESSAGES_PER_TURN_MAX: Final = 500

log = structlog.get_logger(__name__)


@final
class StoredSize:
    """What is known of one component's logs."""

    __slots__ = ("asked_at_s", "bytes", "ends")

    def __init__(self) -> None:
        self.bytes = 0
        self.ends: Sequence[int] = ()
        # By limit: versions of a component may have different ones, and workers of each.
        self.asked_at_s: dict[int, float] = {}

    def forget(self, before_s: float) -> None:
        """Forget the limits of which nobody has asked since."""
        self.asked_at_s = {of: at_s for of, at_s in self.asked_at_s.items() if at_s >= before_s}

    @property
    def is_full(self) -> bool:
        """Whether some worker is refused for it."""
        return self.bytes >= min(self.asked_at_s)


NOT_COUNTED: Final = StoredSize()


@final
class StoredLogs:
    """Counts the logs of the components that have a quota in bytes."""

    def __init__(self, broker: Broker, *, monotonic_s: Callable[[], float]) -> None:
        self._broker = broker
        self._monotonic_s = monotonic_s
        self._sizes: dict[str, StoredSize] = {}
        self._news = asyncio.Event()
        self._counting = asyncio.Lock()

    def of(self, component: str, quota: Quota) -> StoredSize:
        """Return the size of a component's logs, which is counted for a while from now on.

        To be asked at each use: who keeps it has what was true when counting ended.
        """
        if quota.bytes is None:
            return NOT_COUNTED
        size = self._sizes.setdefault(component, StoredSize())
        size.asked_at_s[quota.bytes] = self._monotonic_s()
        self._news.set()
        return size

    async def admit(self, component: str, quota: Quota) -> None:
        """Look whether one more worker may be created.

        Raises:
            QuotaError: the logs of the others take up as much as may be.
            BrokerError: the logs cannot be read now.
        """
        if quota.bytes is None:
            return
        size = self.of(component, quota)
        async with self._counting:
            if not size.ends:
                await self._count(component, size)
        if size.bytes >= quota.bytes:
            raise QuotaError(too_much(component, size.bytes, quota.bytes))

    async def run(self) -> None:
        """Count, for ever."""
        wait_s = COUNT_S
        while True:
            await self._news.wait()
            await asyncio.sleep(wait_s)
            begun_s = self._monotonic_s()
            try:
                await self._count_all(begun_s)
            except BrokerError as error:
                log.info("what is stored is counted later", error=str(error))
            took_s = self._monotonic_s() - begun_s
            wait_s = min(max(COUNT_S, took_s / COUNT_SHARE_MAX), COUNT_WAIT_MAX_S)

    async def _count_all(self, now_s: float) -> None:
        self._news.clear()
        for component, size in list(self._sizes.items()):
            size.forget(now_s - FORGET_S)
            if not size.asked_at_s:
                continue
            self._news.set()
            async with self._counting:
                if size.is_full:
                    size.ends = ()
                await self._count(component, size)

    async def _count(self, component: str, size: StoredSize) -> None:
        """Add what has come since; all of it if nothing is known."""
        sharding = self._broker.sharding
        counted, known = (size.bytes, list(size.ends)) if size.ends else (0, [])
        ends = known or [0] * sharding.streams
        pattern = subjects.logs_of_component(component)
        seen = 0
        async for message in self._broker.journal.read(
            pattern, from_sequence=[end + 1 for end in ends]
        ):
            number = sharding.stream_of_subject(message.subject)
            ends[number] = max(ends[number], message.sequence)
            counted += _stored_bytes(message)
            seen += 1
            if seen % MESSAGES_PER_TURN_MAX == 0:
                await asyncio.sleep(0)
        size.bytes, size.ends = counted, tuple(ends)


def too_much(component: str, stored: int, allowed: int) -> str:
    """Return what is said where the logs of a component take up as much as they may."""
    return (
        f"the logs of component {component!r} hold {stored} bytes, at most {allowed} are allowed: "
        "delete workers, archive or purge their history, or raise the quota by a new version and "
        "update the workers to it"
    )


def _stored_bytes(message: Message) -> int:
    headers = sum(len(name) + len(value) for name, value in message.headers.items())
    return len(message.subject) + headers + len(message.data)
