"""The two streams of a connection. What the guest observes of it is recorded."""

from collections.abc import Callable
from typing import Final, Protocol, final

from actors.host.context import HostContext
from actors.host.interface import Kind
from actors.host.pollable import Pollable
from actors.host.saving import refuses
from actors.host.sockets.connection import Connection
from actors.host.sockets.ready import SOCKET_REFUSED
from actors.host.streams import (
    CLOSED,
    WRITE_BYTES_MAX,
    InputSource,
    IoError,
    OutputSink,
    failed,
)
from wit.types import ListType, Primitive, ResultType
from wit.values import Value, err, ok

__all__ = ["LOST", "Connected", "SocketInput", "SocketOutput"]

LOST: Final = err("connection-reset")
_NAME: Final = "wasi:sockets/tcp#"
_RECEIVED: Final = ResultType(ListType(Primitive.U8), Primitive.STRING)
_PERMITTED: Final = ResultType(Primitive.U64, Primitive.STRING)
_SENT: Final = ResultType(None, Primitive.STRING)


class Connected(Protocol):
    """The socket that the streams belong to."""

    def live(self, context: HostContext) -> Connection | None:
        """Return the connection; None: it was lost."""
        ...

    def pollable(self, context: HostContext, is_ready: Callable[[Connection], bool]) -> Pollable:
        """Return what becomes ready when `is_ready` says so, or nothing can be waited for."""
        ...


@refuses(SOCKET_REFUSED)
@final
class SocketInput(InputSource):
    """What comes in."""

    def __init__(self, socket: Connected) -> None:
        self._socket = socket
        self.is_over = False

    def read(self, context: HostContext, length: int) -> Value:
        """Return what has come."""
        if self.is_over or not length:
            return CLOSED if self.is_over else ok(b"")
        piece = context.record(
            f"{_NAME}receive", Kind.READ_REMOTE, _RECEIVED, lambda: self._look(context, length)
        )
        return self._taken(piece)

    async def blocking_read(self, context: HostContext, length: int) -> Value:
        """Wait for something."""
        if self.is_over or not length:
            return CLOSED if self.is_over else ok(b"")

        async def look() -> Value:
            connection = self._socket.live(context)
            while connection is not None and not has_news(connection):
                await connection.change()
            return self._look(context, length)

        name = f"{_NAME}receive"
        return self._taken(await context.record_wait(name, Kind.READ_REMOTE, _RECEIVED, look))

    def subscribe(self, context: HostContext) -> Pollable:
        """Return what becomes ready when something has come."""
        return self._socket.pollable(context, lambda one: self.is_over or has_news(one))

    def _look(self, context: HostContext, length: int) -> Value:
        connection = self._socket.live(context)
        if connection is None:
            return LOST
        if connection.received:
            return ok(connection.take(length))
        if connection.error is not None:
            return err(connection.error)
        return err("closed") if connection.is_at_end else ok(b"")

    def _taken(self, piece: Value) -> Value:
        case, told = piece
        if case == "ok":
            return piece
        self.is_over = True
        return CLOSED if told == "closed" else _failed(told)


@refuses(SOCKET_REFUSED)
@final
class SocketOutput(OutputSink):
    """What goes out, after everything before it is committed."""

    def __init__(self, socket: Connected) -> None:
        self._socket = socket
        self._is_broken = False

    def check_write(self, context: HostContext) -> Value:
        """Return how much may be written now."""
        if self._is_broken:
            return CLOSED

        def look() -> Value:
            connection = self._socket.live(context)
            if connection is None or connection.error is not None:
                return LOST if connection is None else err(connection.error)
            return ok(min(connection.room, WRITE_BYTES_MAX))

        return self._told(context.record(f"{_NAME}room", Kind.READ_LOCAL, _PERMITTED, look))

    def write(self, context: HostContext, data: bytes) -> Value:
        """Take all of it. At replay it has gone out already."""
        if self._is_broken:
            return CLOSED
        connection = self._socket.live(context)
        if connection is not None:
            connection.send(data)
        return ok()

    async def blocking_flush(self, context: HostContext) -> Value:
        """Return when all is sent."""
        if self._is_broken:
            return CLOSED

        async def look() -> Value:
            connection = self._socket.live(context)
            while connection is not None and not connection.is_drained and not connection.error:
                await connection.change()
            if connection is None:
                return LOST
            return ok() if connection.error is None else err(connection.error)

        name = f"{_NAME}sent"
        return self._told(await context.record_wait(name, Kind.WRITE_REMOTE, _SENT, look))

    def subscribe(self, context: HostContext) -> Pollable:
        """Return what becomes ready when something may be written."""
        return self._socket.pollable(context, lambda one: one.room > 0)

    def _told(self, told: Value) -> Value:
        if told[0] == "ok":
            return told
        self._is_broken = True
        return _failed(told[1])


def has_news(connection: Connection) -> bool:
    """Tell whether there is something to read, or an end."""
    return bool(connection.received) or connection.is_at_end or connection.error is not None


def _failed(code: str) -> Value:
    return failed(IoError(f"the connection failed: {code}", network_code=code))
