"""The resource `tcp-socket`, for both sides of a connection.

What the guest observes of a connection is recorded. A connection does not survive its executor: the
other side keeps a state that no log has. So the guest is told that it was reset, in the first call
that is not answered by the log any more, and connects again if it is written for a network.

A socket that listens has no such state. It is made again, at the same address, when the guest first
waits for connections after a crash; where that address is not to be had, the call fails as a trap,
which is tried again by the worker's retry policy.
"""

import contextlib
import socket
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, final

from actors.engine.errors import GuestTrap
from actors.host.context import HostContext
from actors.host.interface import Kind
from actors.host.pollable import Pollable
from actors.host.saving import StateKey, refuses
from actors.host.sockets.addresses import Endpoint, code_of, is_unspecified, to_wit
from actors.host.sockets.connection import Connection
from actors.host.sockets.live import hold
from actors.host.sockets.ready import SOCKET_REFUSED, SocketReady, count_socket
from actors.host.sockets.system import Bound, Listener, endpoint_of_system, open_socket
from actors.host.sockets.tcp_streams import LOST, SocketInput, SocketOutput
from wit.types import Field, Primitive, RecordType, ResultType
from wit.values import Value, err, ok

__all__ = ["TcpSocket"]

_NAME: Final = "wasi:sockets/tcp#"
_ENDPOINT: Final = RecordType((Field("host", Primitive.STRING), Field("port", Primitive.U16)))
_TOLD_ENDPOINT: Final = ResultType(_ENDPOINT, Primitive.STRING)
_LISTENING_SOCKETS: Final = StateKey("sockets/listening", is_transient=True)
_LISTENING: Final = ResultType(None, Primitive.STRING)
_ACCEPTED: Final = ResultType(
    RecordType((Field("local", _ENDPOINT), Field("remote", _ENDPOINT))), Primitive.STRING
)


@refuses(SOCKET_REFUSED)
@final
class TcpSocket:
    """One socket; `state` is that of the guest's own course."""

    def __init__(
        self,
        family: str,
        *,
        connection: Connection | None = None,
        options: Mapping[str, Value] = MappingProxyType({}),
    ) -> None:
        self.family = family
        self.state = "unbound"
        self.local: Endpoint | None = None
        self.remote: Endpoint | None = None
        self.options: dict[str, Value] = {**options}
        self._bound: Bound | None = None
        self._connection = connection
        self._listener: Listener | None = None
        self._input: SocketInput | None = None

    def start_bind(self, endpoint: Endpoint) -> Value:
        """Choose where to send from, or to listen."""
        if self.state != "unbound":
            return err("invalid-state")
        if endpoint.family != self.family:
            return err("invalid-argument")
        self.local = endpoint
        self.state = "binding"
        return ok()

    def finish_bind(self, context: HostContext) -> Value:
        """Bind; the port stays the same after a crash, if it is still free."""
        if self.state != "binding":
            return err("not-in-progress")

        def live() -> Value:
            try:
                self._bound = Bound(self._open())
            except OSError as error:
                return err(code_of(error))
            hold(context, self._bound)
            return ok(_plain(endpoint_of_system(self._bound.system)))

        case, told = context.record(f"{_NAME}finish-bind", Kind.WRITE_LOCAL, _TOLD_ENDPOINT, live)
        if case == "err":
            self.state = "unbound"
            return err(told)
        self.local = _endpoint(told)
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
            try:
                connection = self.live(context)
            except OSError as error:
                return err(code_of(error))
            if connection is None:
                return LOST
            if connection.local is not None:
                return ok(_plain(connection.local))
            return err(connection.error or "would-block")

        name = f"{_NAME}finish-connect"
        case, told = context.record(name, Kind.WRITE_REMOTE, _TOLD_ENDPOINT, live)
        if case == "err":
            if told != "would-block":
                self.state = "closed"
            return err(told)
        return ok(self.connected(_endpoint(told)))

    def connected(self, local: Endpoint) -> tuple[SocketInput, SocketOutput]:
        """Go on with a connection that stands; returns its streams."""
        self.state = "connected"
        self.local = local
        self._input = SocketInput(self)
        return self._input, SocketOutput(self)

    def start_listen(self) -> Value:
        """Choose to be connected to."""
        if self.state != "bound":
            return err("invalid-state")
        self.state = "starting to listen"
        return ok()

    def finish_listen(self, context: HostContext) -> Value:
        """Listen from here on."""
        if self.state != "starting to listen":
            return err("not-in-progress")

        def live() -> Value:
            try:
                self._listen(context)
            except OSError as error:
                return err(code_of(error))
            return ok()

        case, told = context.record(f"{_NAME}finish-listen", Kind.WRITE_LOCAL, _LISTENING, live)
        if case == "err":
            self.state = "closed"
            return err(told)
        self.state = "listening"
        _listening(context).add(self)
        return ok()

    def accept(self, context: HostContext) -> Value:
        """Return the next connection, with its streams."""
        if self.state != "listening":
            return err("invalid-state")
        if not count_socket(context, 1):
            return err("new-socket-limit")
        made: list[Connection] = []

        def live() -> Value:
            try:
                system, remote = self.listener(context).accept()
            except BlockingIOError:
                return err("would-block")
            except OSError as error:
                return err(code_of(error))
            local = endpoint_of_system(system)
            made.append(_connection(system, None, context))
            return ok({"local": _plain(local), "remote": _plain(remote)})

        case, told = context.record(f"{_NAME}accept", Kind.READ_REMOTE, _ACCEPTED, live)
        if case == "err":
            count_socket(context, -1)
            return err(told)
        # After a crash there is none: it is lost, like others.
        accepted = TcpSocket(
            self.family, connection=made[0] if made else None, options=self.options
        )
        accepted.remote = _endpoint(told["remote"])
        return ok((accepted, *accepted.connected(_endpoint(told["local"]))))

    def listener(self, context: HostContext) -> Listener:
        """Return what listens, made again after a crash.

        Raises:
            GuestTrap: its address is not to be had; another attempt may have it.
        """
        if self._listener is None:
            assert self.local is not None
            try:
                return self._listen(context)
            except OSError as error:
                place = f"{self.local.host} port {self.local.port}"
                raise GuestTrap(
                    f"the worker listened at {place} before, which this executor cannot: {error}"
                ) from error
        return self._listener

    def set_backlog(self, size: int) -> Value:
        """Say how many connections may wait to be accepted."""
        if not size:
            return err("invalid-argument")
        if self.state in {"connecting", "connected"}:
            return err("invalid-state")
        self.options["listen-backlog-size"] = size
        if self._listener is not None:
            self._listener.listen()
        return ok()

    def set_option(self, name: str, value: Value) -> None:
        """Set one, now and for what is to come."""
        self.options[name] = value
        for live in (self._bound, self._listener, self._connection):
            if live is not None:
                live.apply({name: value})

    def address(self, *, is_remote: bool) -> Value:
        """Return one of its addresses."""
        endpoint = self.remote if is_remote else self.local
        is_bound = self.state in {"bound", "starting to listen", "listening"}
        is_known = self.state == "connected" or (not is_remote and is_bound)
        return ok(to_wit(endpoint)) if endpoint and is_known else err("invalid-state")

    def live(self, context: HostContext) -> Connection | None:
        """Return the connection, made now if it is to be; None: it was lost, or is not wanted.

        Raises:
            OSError: the system has no socket for it.
        """
        if self._connection is None and self.state == "connecting":
            assert self.remote is not None
            # After a crash: perhaps it is this worker that it connects to.
            for other in _listening(context):
                with contextlib.suppress(GuestTrap):
                    other.listener(context)
            self._connection = _connection(self._take_bound(), self.remote, context)
        return self._connection

    def subscribe(self, context: HostContext) -> Pollable:
        """Return what becomes ready when the connection stands or failed, or another one came."""
        if self.state != "listening":
            return self.pollable(context, lambda one: one.is_connected or one.error is not None)

        def ready() -> bool:
            return self.state != "listening" or self.listener(context).is_ready

        async def wait() -> None:
            if not ready():
                await self.listener(context).change()

        return SocketReady(ready, wait)

    def pollable(self, context: HostContext, is_ready: Callable[[Connection], bool]) -> Pollable:
        """Return what becomes ready when `is_ready` says so, or nothing can be waited for."""

        def found() -> Connection | None:
            try:
                return self.live(context)
            except OSError:
                # Whoever looks is told.
                return None

        def ready() -> bool:
            connection = found()
            return connection is None or connection.error is not None or is_ready(connection)

        async def wait() -> None:
            connection = found()
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
        _listening(context).discard(self)
        if self._bound is not None:
            self._bound.abort()
        if self._listener is not None:
            self._listener.abort()
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> socket.socket:
        return open_socket(self.family, socket.SOCK_STREAM, self.local, self.options)

    def _take_bound(self) -> socket.socket:
        """Return the socket that was bound, another one at the same address after a crash."""
        bound, self._bound = self._bound, None
        return self._open() if bound is None else bound.taken()

    def _listen(self, context: HostContext) -> Listener:
        self._listener = Listener(self._take_bound(), self.options)
        hold(context, self._listener)
        return self._listener


def _listening(context: HostContext) -> set[TcpSocket]:
    found: set[TcpSocket] = context.state.setdefault(_LISTENING_SOCKETS, set())
    return found


def _connection(system: socket.socket, remote: Endpoint | None, context: HostContext) -> Connection:
    connection = Connection(system, remote, context.committed)
    hold(context, connection)
    return connection


def _plain(endpoint: Endpoint) -> Value:
    return {"host": endpoint.host, "port": endpoint.port}


def _endpoint(told: Value) -> Endpoint:
    return Endpoint(told["host"], told["port"])
