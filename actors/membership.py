"""Who is alive: a heartbeat in a bucket whose keys expire, and the view of all others.

An executor that cannot renew its own mark for a whole time to live counts as dead for the others,
so it has to ask what is still its own. Where the broker takes long to store marks, executors would
so take everything from one another again and again. Hence marks live longer there, and while one's
own comes late, nobody else's absence counts as death at once.
"""

from collections.abc import Callable
from typing import final

import msgspec
import structlog
from msgspec import Struct

from actors.limits import ABSENCE_MAX_S, HEARTBEAT_INTERVAL_S, MEMBER_TTL_S
from broker.errors import RetryableError
from broker.ports import Bucket

__all__ = ["Member", "Membership", "View"]

log = structlog.get_logger(__name__)


class Member(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What an executor says of itself. `leaving`: it hands its partitions over.

    `at_ms` is its clock when it said so, which tells clocks that disagree. `damaged` are some of
    the workers that it was to run and whose logs nobody can read.
    """

    name: str
    leaving: bool = False
    started_ms: int = 0
    partitions: tuple[int, ...] = ()
    workers: int = 0
    memory_bytes: int = 0
    invocations: int = 0
    at_ms: int = 0
    damaged: tuple[str, ...] = ()


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
        # How long the mark lives that was stored last, and how long the last round took.
        self._lives_s = MEMBER_TTL_S
        self._round_s = 0.0
        self._seen_before: frozenset[str] = frozenset()
        self._trust_newcomers_at = 0.0
        self._trust_absences_at = 0.0
        self._absent_since: dict[str, float] = {}
        self.on_stored: Callable[[float], None] = _unnoticed
        """Called with the seconds that the broker took to store a mark."""
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
        """Renew our mark and read the others'; False if we may have been dead for them."""
        mark = msgspec.structs.replace(self._describe(), leaving=self.leaving)
        begun = self._monotonic()
        lives_s = min(max(MEMBER_TTL_S, 2 * self._round_s), ABSENCE_MAX_S)
        try:
            await self._bucket.put(self._name, msgspec.json.encode(mark), ttl_s=lives_s)
            self.on_stored(self._monotonic() - begun)
            members = await self._read()
        except RetryableError as error:
            log.warning("heartbeat failed", error=str(error))
            return self._monotonic() - self._renewed_at <= self._lives_s
        alive = begun - self._renewed_at <= self._lives_s
        now = self._monotonic()
        self._round_s = now - self._renewed_at
        if self._round_s > MEMBER_TTL_S / 2:
            self._trust_absences_at = now + MEMBER_TTL_S + HEARTBEAT_INTERVAL_S
        self._renewed_at, self._lives_s = begun, lives_s
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
        staying |= self._excused(members)
        before = self.view
        self.view = View(
            members=frozenset(staying),
            leaving=frozenset(members) - frozenset(staying),
            gone=before.members - frozenset(members) - staying,
        )

    def _excused(self, members: dict[str, Member]) -> set[str]:
        """Return those who are missing, but not yet for dead."""
        now = self._monotonic()
        missing = self.view.members - members.keys() - {self._name}
        self._absent_since = {name: self._absent_since.get(name, now) for name in missing}
        if now >= self._trust_absences_at:
            return set()
        return {name for name in missing if now - self._absent_since[name] < ABSENCE_MAX_S}


def _unnoticed(_: float) -> None:
    """Nobody measures."""
