"""Large bodies of a worker's own requests and responses, a piece of them in memory at a time.

What is stored is what the log speaks of: the same bytes at replay, whenever the guest reads them,
and nothing is stored again once the outcome is in the log.
"""

from typing import Final, final

from actors.engine.errors import GuestTrap
from actors.host.context import HostContext
from actors.host.saving import StateKey, refuses, saveable, saveable_struct
from actors.host.streams import CLOSED, InputSource
from actors.stored_bodies import BodyWriter, StoredBody, read_piece
from broker.errors import NotFoundError
from wit.values import Value, ok

__all__ = ["AnswerBodies", "Spool", "StoredSource", "answer_bodies", "next_spool"]

_BODIES: Final = StateKey("http/answer-bodies", is_transient=True)


saveable_struct("http/stored-body")(StoredBody)


@saveable(
    "http/stored-source",
    "_body",
    "_position",
    fresh={"_loaded": lambda: (-1, b"")},
)
@final
class StoredSource(InputSource):
    """The bytes of a stored body."""

    def __init__(self, body: StoredBody) -> None:
        self._body = body
        self._position = 0
        # The number of the piece in memory, and the piece.
        self._loaded: tuple[int, bytes] = (-1, b"")

    async def load(self, context: HostContext) -> None:
        """Read the piece in which the next byte lies."""
        number = self._position // self._body.piece_bytes
        if self._position >= self._body.size or self._loaded[0] == number:
            return
        self._loaded = (-1, b"")
        try:
            self._loaded = number, await read_piece(context.stores.blobs, self._body, number)
        except NotFoundError as error:
            raise GuestTrap(f"the body of the request is gone: {error}", kind="other") from error

    def read(self, context: HostContext, length: int) -> Value:
        """Return the next ones, up to the end of the piece."""
        del context
        if self._position >= self._body.size:
            self._loaded = (-1, b"")
            return CLOSED
        number, piece = self._loaded
        start = self._position - number * self._body.piece_bytes
        data = piece[start : start + length]
        self._position += len(data)
        return ok(data)


@refuses("it is written at this moment")
@final
class Spool:
    """Where a body goes that leaves memory while a guest writes it."""

    def __init__(self, writer: BodyWriter) -> None:
        self.writer = writer


@final
class AnswerBodies:
    """Makes the spools of the response bodies of one invocation: the same names at replay."""

    def __init__(self, context: HostContext) -> None:
        self._blobs = context.stores.blobs
        self._place = context.answer_place
        self._is_stored = context.is_answered_already
        self._count = 0

    def spool(self) -> Spool:
        """Return the next one."""
        name = f"{self._place}/{self._count}"
        self._count += 1
        return Spool(BodyWriter(self._blobs, name, is_stored=self._is_stored))


def answer_bodies(context: HostContext, bodies: AnswerBodies | None) -> None:
    """Say where the bodies of responses go from now on; None: they stay in memory."""
    context.state[_BODIES] = bodies


def next_spool(context: HostContext) -> Spool | None:
    """Return where the body of a response goes that the guest begins, None: to memory."""
    bodies: AnswerBodies | None = context.state.get(_BODIES)
    return None if bodies is None else bodies.spool()
