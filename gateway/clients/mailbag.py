"""The messages to clients, as the broker's stream keeps them.

A note on the subject is a nudge: what is written to a connection is what the stream has, in its
order. The note may come before the stream has the message, so it is looked for a few times.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeAlias, final

import msgspec
import structlog
from msgspec import Struct

from broker import subjects
from broker.errors import BrokerError
from broker.ports import Broker, Note, Subscription

__all__ = ["Close", "Mailbag", "Sent", "Shown"]

# One that the same stream holds.
_PARTITION: Final = 0
LOOKS_S: Final = (0.0, 0.003, 0.02, 0.1, 0.5, 2.0)

_log = structlog.get_logger(__name__)


class Shown(Struct, frozen=True):
    """A text, or bytes."""

    text: str | None = None
    binary: bytes | None = None


class Close(Struct, frozen=True):
    """The worker ends the connection."""

    code: int
    reason: str


Sent: TypeAlias = Shown | Close


class _Wire(Struct, frozen=True):
    text: str | None = None
    binary: bytes | None = None
    close: int | None = None
    reason: str = ""


@final
class Mailbag:
    """Reads the messages of clients, and tells of new ones."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._nudge: Callable[[str], None] = lambda _: None
        self._subscription: Subscription | None = None

    async def start(self, nudge: Callable[[str], None]) -> None:
        """Call `nudge` with the client of every new message from now on."""
        self._nudge = nudge
        subject = subjects.client_messages("*")
        self._subscription = await self._broker.signals.subscribe(subject, self._on_note)

    async def stop(self) -> None:
        """Tell no more."""
        if self._subscription is not None:
            await self._subscription.close()

    async def read(self, client: str, after: int) -> AsyncIterator[tuple[int, Sent]]:
        """Yield what the stream has behind a sequence, in order.

        Raises:
            BrokerError: it does not answer.
        """
        subject = subjects.client_messages(client)
        async for message in self._broker.journal.read(subject, from_sequence=after + 1):
            sent = _decode(message.data)
            if sent is None:
                _log.error("no message of ours is passed over", client=client)
            else:
                yield message.sequence, sent

    async def end(self) -> int:
        """Return the sequence that was given out last where messages to clients lie.

        Raises:
            BrokerError: it does not answer.
        """
        return await self._broker.journal.end(_PARTITION)

    async def look_for(self, client: str, after: int) -> AsyncIterator[tuple[int, Sent]]:
        """Yield what a nudge has told of: as `read`, but patient until something is there."""
        for pause_s in LOOKS_S:
            await asyncio.sleep(pause_s)
            found = False
            async for each in self.read(client, after):
                found = True
                yield each
            if found:
                return

    async def clear(self, client: str) -> None:
        """Remove everything of a client that is gone.

        Raises:
            BrokerError: it may be there still.
        """
        await self._broker.journal.purge(subjects.client_messages(client))

    async def forget(self, client: str, up_to: int) -> None:
        """Remove what a client has got."""
        try:
            subject = subjects.client_messages(client)
            await self._broker.journal.purge(subject, up_to_sequence=up_to)
        except BrokerError as error:
            # It costs room, until the next time.
            _log.warning("messages of a client stay", client=client, reason=str(error))

    def _on_note(self, note: Note) -> None:
        _, _, _, client, _ = note.subject.split(".")
        self._nudge(subjects.decode_token(client))


def _decode(data: bytes) -> Sent | None:
    """Return a message, None for what somebody else has left there."""
    try:
        wire = msgspec.json.decode(data, type=_Wire)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if wire.close is not None:
        return Close(wire.close, wire.reason)
    return Shown(wire.text, wire.binary)
