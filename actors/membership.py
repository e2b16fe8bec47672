"""Who is alive: a heartbeat in a bucket whose keys expire, and the view of all others.

An executor that cannot renew its own mark for a whole time to live counts as dead for the others,
so it gives up everything by itself and starts afresh when it can write again.
"""

from collections.abc import Callable
from typing import final

import msgspec
import structlog
from msgspec import Struct

from actors.limits import HEARTBEAT_INTERVAL_S, MEMBER_TTL_S
from broker.errors import RetryableError
from broker.ports import Bucket

__all__ = ["Member", "Membership", "View"]

log = structlog.get_logger(__name__)


class Member(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What an executor says of itself. `leaving`: it hands its partitions over."""

    name: str
    leaving: bool = False
    started_ms: int = 0
    partitions: tuple[int, ...] = ()
    workers: int = 0
    memory_bytes: int = 0
    invocations: int = 0


class View(Struct, frozen=True):
    """The living executors at one moment. `gone`: alive before, left without a word."""

    members: frozenset[str]
    leaving: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()


@final
class Membership:
    """One executor's mark and its view of the others. Call `beat` at the interval."""

    def __init__(
        self,
        bucket: Bucket,
        name: str,
        *,
        describe: Callable[[], Member],
        monotonic: Callable[[], float],
    ) -> None:
        self._bucket = bucket
        self._name = name
        self._describe = describe
        self._monotonic = monotonic
        self._renewed_at = monotonic()
        self._seen_before: frozenset[str] = frozenset()
        self._trust_newcomers_at = 0.0
        self.leaving = False
        self.view = View(frozenset())

    def distrust_newcomers(self) -> None:
        """Ignore unknown members for one time to live.

        A broker that was restarted shows expired keys again for a moment.
        """
        self._seen_before = self.view.members | self.view.leaving
        if self._seen_before:
            self._trust_newcomers_at = self._monotonic() + MEMBER_TTL_S + HEARTBEAT_INTERVAL_S

    async def beat(self) -> bool:
        """Renew our mark and read the others'; False if we were dead for the others meanwhile."""
        mark = msgspec.structs.replace(self._describe(), leaving=self.leaving)
        begun = self._monotonic()
        try:
            await self._bucket.put(self._name, msgspec.json.encode(mark), ttl_s=MEMBER_TTL_S)
            members = await self._read()
        except RetryableError as error:
            log.warning("heartbeat failed", error=str(error))
            return self._monotonic() - self._renewed_at <= MEMBER_TTL_S
        alive = begun - self._renewed_at <= MEMBER_TTL_S
        self._renewed_at = begun
        self._update(members)
        return alive

    async def leave(self) -> None:
        """Remove our mark. Comes last: whoever sees it gone takes our partitions by force."""
        await self._bucket.delete(self._name)

    async def _read(self) -> dict[str, Member]:
        members: dict[str, Member] = {}
        for key in await self._bucket.keys():
            entry = await self._bucket.get(key)
            if entry is not None and entry.data:
                members[key] = msgspec.json.decode(entry.data, type=Member)
        return members

    def _update(self, members: dict[str, Member]) -> None:
        if self._monotonic() < self._trust_newcomers_at:
            members = {
                name: member
                for name, member in members.items()
                if name in self._seen_before or name == self._name
            }
        staying = {name for name, member in members.items() if not member.leaving}
        if not self.leaving:
            staying.add(self._name)
        before = self.view
        self.view = View(
            members=frozenset(staying),
            leaving=frozenset(members) - frozenset(staying),
            gone=before.members - frozenset(members),
        )
