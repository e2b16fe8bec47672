"""The resource `tcp-socket`, as a client, and its streams.

What the guest observes of a connection is recorded. A connection does not survive its executor: the
other side keeps a state that no log has. So the guest is told that it was reset, in the first call
that is not answered by the log any more, and connects again if it is written for a network.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, final

from actors.host.context import HostContext
from actors.host.interface import Kind
from actors.host.pollable import Event, Pollable
from actors.host.saving import StateKey, refuses
from actors.host.sockets.addresses import Endpoint, is_unspecified, to_wit
from actors.host.sockets.connection import Connection
from actors.host.sockets.limits import SOCKETS_MAX
from actors.host.streams import (
    CLOSED,
    WRITE_BYTES_MAX,
    InputSource,
    IoError,
    OutputSink,
    failed,
)
from wit.types import Field, ListType, Primitive, RecordType, ResultType
from wit.values import Value, err, ok

__all__ = ["SOCKET_REFUSED", "SocketInput", "SocketOutput", "TcpSocket", "count_socket"]

SOCKET_REFUSED: Final = "a connection cannot be saved"
_OPEN: Final = StateKey("sockets/open", is_transient=True)
_NAME: Final = "wasi:sockets/tcp#"
_LOST: Final = err("connection-reset")
_ENDPOINT: Final = RecordType((Field("host", Primitive.STRING), Field("port", Primitive.U16)))
_CONNECTED: Final = ResultType(_ENDPOINT, Primitive.STRING)
_RECEIVED: Final = ResultType(ListType(Primitive.U8), Primitive.STRING)
_PERMITTED: Final = ResultType(Primitive.U64, Primitive.STRING)
_SENT: Final = ResultType(None, Primitive.STRING)

Look: TypeAlias = Callable[[Connection], Value]


def count_socket(context: HostContext, change: int) -> bool:
    """Count sockets; False: there are too many."""
    count: int = context.state.get(_OPEN, 0)
    if count + change > SOCKETS_MAX:
        return False
    context.state[_OPEN] = count + change
    return True


@refuses(SOCKET_REFUSED)
@final
class TcpSocket:
    """One socket; `state` is that of the guest's own course."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.state = "unbound"
        self.local: Endpoint | None = None
        self.remote: Endpoint | None = None
        self.options: dict[str, Value] = {}
        self._connection: Connection | None = None
        self._input: SocketInput | None = None

    def start_bind(self, endpoint: Endpoint) -> Value:
        """Choose where to send from."""
        if self.state != "unbound":
            return err("invalid-state")
        if endpoint.family != self.family:
            return err("invalid-argument")
        self.local = endpoint
        self.state = "binding"
        return ok()

    def finish_bind(self) -> Value:
        """Complete it; the port is taken when the socket connects."""
        if self.state != "binding":
            return err("not-in-progress")
        self.state = "bound"
        return ok()

    def start_connect(self, endpoint: Endpoint) -> Value:
        """Choose whom to connect to."""
        if self.state not in {"unbound", "bound"}:
            return err("invalid-state")
        if endpoint.family != self.family or not endpoint.port or is_unspecified(endpoint):
            return err("invalid-argument")
        self.remote = endpoint
        self.state = "connecting"
        return ok()

    def finish_connect(self, context: HostContext) -> Value:
        """Return the streams, once connected."""
        if self.state != "connecting":
            return err("not-in-progress")

        def live() -> Value:
            connection = self.live(context)
            if connection is None:
                return _LOST
            if connection.local is not None:
                return ok({"host": connection.local.host, "port": connection.local.port})
            return err(connection.error or "would-block")

        case, told = context.record(f"{_NAME}finish-connect", Kind.WRITE_REMOTE, _CONNECTED, live)
        if case == "err":
            if told != "would-block":
                self.state = "closed"
            return err(told)
        self.state = "connected"
        self.local = Endpoint(told["host"], told["port"])
        self._input = SocketInput(self)
        return ok((self._input, SocketOutput(self)))

    def address(self, *, is_remote: bool) -> Value:
        """Return one of its addresses."""
        endpoint = self.remote if is_remote else self.local
        is_known = self.state == "connected" or (not is_remote and self.state == "bound")
        return ok(to_wit(endpoint)) if endpoint and is_known else err("invalid-state")

    def live(self, context: HostContext) -> Connection | None:
        """Return the connection, made now if it is to be; None: it was lost, or is not wanted."""
        if self._connection is None and self.state == "connecting":
            assert self.remote is not None
            self._connection = Connection(self.remote, self.local, context.committed)
            context.on_close(self._connection.abort)
        return self._connection

    def subscribe(self, context: HostContext) -> Pollable:
        """Return what becomes ready when the connection stands or failed."""
        return self.pollable(context, lambda one: one.is_connected or one.error is not None)

    def pollable(self, context: HostContext, is_ready: Callable[[Connection], bool]) -> Pollable:
        """Return what becomes ready when `is_ready` says so, or nothing can be waited for."""

        def ready() -> bool:
            connection = self.live(context)
            return connection is None or connection.error is not None or is_ready(connection)

        async def wait() -> None:
            connection = self.live(context)
            if connection is not None and not ready():
                await connection.change()

        return SocketReady(ready, wait)

    def shutdown(self, how: str) -> Value:
        """End one direction or both."""
        if self.state != "connected":
            return err("invalid-state")
        if how in {"send", "both"} and self._connection is not None:
            self._connection.end_sending()
        if how in {"receive", "both"} and self._input is not None:
            self._input.is_over = True
        return ok()

    def close(self, context: HostContext) -> None:
        """The guest dropped it: what was written is still sent."""
        count_socket(context, -1)
        self.state = "closed"
        if self._connection is not None:
            self._connection.close()


@refuses(SOCKET_REFUSED)
@final
class SocketReady(Pollable):
    """Something that can be observed of a socket."""

    def __init__(self, ready: Callable[[], bool], wait: Callable[[], Awaitable[object]]) -> None:
        self._event = Event(ready, wait)

    def ready(self, context: HostContext) -> bool:
        """Look."""
        return self._event.ready(context)

    async def wait(self, context: HostContext) -> None:
        """Wait."""
        await self._event.wait(context)


@refuses(SOCKET_REFUSED)
@final
class SocketInput(InputSource):
    """What comes in."""

    def __init__(self, socket: TcpSocket) -> None:
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
            return _LOST
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

    def __init__(self, socket: TcpSocket) -> None:
        self._socket = socket
        self._is_broken = False

    def check_write(self, context: HostContext) -> Value:
        """Return how much may be written now."""
        if self._is_broken:
            return CLOSED

        def look() -> Value:
            connection = self._socket.live(context)
            if connection is None or connection.error is not None:
                return _LOST if connection is None else err(connection.error)
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
                return _LOST
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
