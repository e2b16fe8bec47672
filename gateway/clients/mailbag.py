"""The messages to clients, as the broker's stream keeps them.

A note on the subject is a nudge: what is written to a connection is what the stream has, in its
order. The note may come before the stream has the message, so it is looked for a few times.

Whoever takes a worker over sends again what may not have left, and the broker drops that only as
long as it knows the message's id. So the stream may hold a message twice, which is passed over by
what the `Senders` of a client have said before.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeAlias, final

import msgspec
import structlog
from msgspec import Struct

from broker import subjects
from broker.errors import BrokerError
from broker.layout import MESSAGE_ID
from broker.ports import Broker, Message, Note, Subscription

__all__ = ["SENDERS_KEPT_MAX", "Close", "Mailbag", "Senders", "Sent", "Shown"]

# One that the same stream holds.
_PARTITION: Final = 0
LOOKS_S: Final = (0.0, 0.003, 0.02, 0.1, 0.5, 2.0)
# Workers that one client hears, each time one is made anew counted as another.
SENDERS_KEPT_MAX: Final = 256

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
class Senders:
    """How far the workers have come that send to one client, by all that its stream has shown."""

    def __init__(self) -> None:
        self.seen_to = 0
        """The sequence up to which the stream is taken into account."""
        self._newest: dict[str, int] = {}
        self._repeated: set[int] = set()

    def repeats(self, message: Message) -> bool:
        """Whether a message was there before, under a smaller sequence."""
        if message.sequence <= self.seen_to:
            return message.sequence in self._repeated
        self.seen_to = message.sequence
        # Of a worker's log, by its incarnation: the entries that send stand in their order.
        sender, _, index = message.headers.get(MESSAGE_ID, "").rpartition(":")
        if not (sender and index.isascii() and index.isdecimal()):
            return False
        if int(index) <= self._newest.get(sender, -1):
            self._repeated.add(message.sequence)
            return True
        self._newest.pop(sender, None)
        self._newest[sender] = int(index)
        if len(self._newest) > SENDERS_KEPT_MAX:
            del self._newest[next(iter(self._newest))]
        return False

    def forget(self, up_to: int) -> None:
        """Messages up to a sequence are not read any more."""
        self._repeated = {each for each in self._repeated if each > up_to}


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

    async def end(self) -> int:
        """Return the sequence that was given out last where messages to clients lie.

        Raises:
            BrokerError: it does not answer.
        """
        return await self._broker.journal.end(_PARTITION)

    async def look_for(
        self, client: str, after: int, senders: Senders
    ) -> AsyncIterator[tuple[int, Sent]]:
        """Yield what a nudge has told of, in order: all that the stream has behind a sequence.

        Patient until something is there.

        Raises:
            BrokerError: it does not answer.
        """
        for pause_s in LOOKS_S:
            await asyncio.sleep(pause_s)
            found, seen_to = False, senders.seen_to
            async for message in self._read(client, min(after, seen_to)):
                is_repeat = senders.repeats(message)
                if message.sequence <= after or (is_repeat and message.sequence <= seen_to):
                    continue
                # A repeat ends the search, too: it may be what the nudge has told of.
                found = True
                sent = None if is_repeat else _decode(message)
                if sent is not None:
                    yield message.sequence, sent
            if found:
                return

    def _read(self, client: str, after: int) -> AsyncIterator[Message]:
        subject = subjects.client_messages(client)
        return self._broker.journal.read(subject, from_sequence=after + 1)

    async def clear(self, client: str) -> None:
        """Remove everything of a client that is gone.

        Raises:
            BrokerError: it may be there still.
        """
        await self._broker.journal.purge(subjects.client_messages(client))

    async def forget(self, client: str, up_to: int) -> None:
        """Remove what a client has got, but for `up_to` itself: it says how far its sender was."""
        try:
            subject = subjects.client_messages(client)
            await self._broker.journal.purge(subject, up_to_sequence=up_to - 1)
        except BrokerError as error:
            # It costs room, until the next time.
            _log.warning("messages of a client stay", client=client, reason=str(error))

    def _on_note(self, note: Note) -> None:
        _, _, _, client, _ = note.subject.split(".")
        self._nudge(subjects.decode_token(client))


def _decode(message: Message) -> Sent | None:
    """Return what is sent, None for what somebody else has left there."""
    try:
        wire = msgspec.json.decode(message.data, type=_Wire)
    except (msgspec.DecodeError, UnicodeDecodeError):
        _log.error("no message of ours is passed over", subject=message.subject)
        return None
    if wire.close is not None:
        return Close(wire.close, wire.reason)
    return Shown(wire.text, wire.binary)
