"""How the partitions are dealt out over streams, for whoever stays connected while that changes.

Theory. A split keeps every sequence, so what moves has another stream and nothing else; what was
where it was answers as before. So only what finds nothing may have looked in the wrong place, and
what reads over all partitions. These look the streams' settings up again, one request, and ask
anew where they are now. Whoever runs workers does not: no executor runs while streams are split,
and one that was away meanwhile has to end (see `is_current`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar, final

import structlog
from msgspec import Struct

from broker.errors import SetupError, UnavailableError
from broker.jetstream.api import JetStreamApi
from broker.jetstream.limits import READ_PATIENCE_S, READ_SILENCE_MAX_S
from broker.jetstream.oplog_streams import StreamConfig, sharding_of, splitting_of
from broker.sharding import Sharding
from broker.subjects import STREAM

__all__ = ["Dealing"]

T = TypeVar("T")

log = structlog.get_logger(__name__)


class _Info(Struct, frozen=True):
    config: StreamConfig


@final
class Dealing:
    """Which stream holds what, as it was heard last. `is_fixed`: it is not to be looked up."""

    def __init__(self, api: JetStreamApi, sharding: Sharding, *, is_fixed: bool) -> None:
        self._api = api
        self._sharding = sharding
        self._is_fixed = is_fixed

    @property
    def sharding(self) -> Sharding:
        """Which stream holds what."""
        return self._sharding

    async def is_current(self) -> bool:
        """Say whether the streams are those that we found on connecting, and not being split.

        Raises:
            UnavailableError: nobody says.
        """
        return sharding_of(await self._config()) == self._sharding

    async def look(self, subject: str, known: Sharding) -> bool:
        """Learn where a subject is now; say whether the streams are others than `known`.

        Raises:
            UnavailableError: they are being split, or nobody says.
            SetupError: they are not as Shem makes them.
        """
        if self._is_fixed or not known.may_move(subject):
            return False
        config = await self._config()
        splitting = splitting_of(config)
        if splitting is not None:
            raise UnavailableError(
                f"the streams are being split into {splitting[1]}: try again when that is through"
            )
        found = sharding_of(config)
        if found is None:
            raise SetupError(f"stream {STREAM} is not as Shem makes it: see `shem doctor`")
        if found != self._sharding:
            log.info("the streams were split", streams=found.streams, before=known.streams)
            self._sharding = found
        return found != known

    async def ask(
        self, subject: str, one: Callable[[Sharding], Awaitable[T]], *, nothing: object
    ) -> T:
        """Return what `one` answers, asked again where the subject is now if that was `nothing`.

        Raises:
            UnavailableError: the streams are being split.
        """
        while True:
            known = self._sharding
            found = await one(known)
            if found != nothing and not self.is_spread(subject):
                return found
            if not await self.look(subject, known):
                return found

    def read(self, subject: str, one: Callable[[Sharding], AsyncIterator[T]]) -> AsyncIterator[T]:
        """Yield what `one` yields; if that is nothing, what it yields where the subject is now.

        Raises:
            UnavailableError: the streams are being split, or were while a part was read.
        """
        return one(self._sharding) if self._is_fixed else self._read(subject, one)

    async def _read(
        self, subject: str, one: Callable[[Sharding], AsyncIterator[T]]
    ) -> AsyncIterator[T]:
        is_spread = self.is_spread(subject)
        if is_spread:
            await self.look(subject, self._sharding)
        while True:
            known = self._sharding
            is_empty = True
            async for each in one(known):
                is_empty = False
                yield each
            if (not is_empty and not is_spread) or not await self.look(subject, known):
                return
            if not is_empty:
                raise UnavailableError(
                    f"the streams were split while {subject!r} was read: read it again"
                )

    def is_spread(self, subject: str) -> bool:
        """Whether a pattern is of several partitions, so that no answer tells that some moved."""
        return not self._is_fixed and self._sharding.is_spread(subject)

    async def _config(self) -> StreamConfig:
        info = await self._api.call(
            f"STREAM.INFO.{STREAM}",
            None,
            _Info,
            timeout_s=READ_SILENCE_MAX_S,
            patience_s=READ_PATIENCE_S,
        )
        return info.config
