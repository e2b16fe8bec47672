"""The resource `udp-socket` and its streams. Datagrams may get lost, over a crash too."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, final

from actors.host.context import HostContext
from actors.host.interface import Kind
from actors.host.pollable import Always, Pollable
from actors.host.saving import refuses
from actors.host.sockets.addresses import Endpoint, code_of, endpoint_of, to_wit
from actors.host.sockets.limits import (
    DATAGRAM_BYTES_MAX,
    DATAGRAMS_PER_CALL_MAX,
    LINGER_S,
    RECEIVE_BUFFER_BYTES_MAX,
    SEND_BUFFER_BYTES_MAX,
)
from actors.host.sockets.live import hold
from actors.host.sockets.options import apply_options
from actors.host.sockets.ready import SOCKET_REFUSED, SocketReady, count_socket
from actors.host.sockets.system import endpoint_of_system, open_socket
from wit.types import Field, ListType, Primitive, RecordType, ResultType
from wit.values import Value, err, ok

__all__ = ["Datagrams", "IncomingDatagrams", "OutgoingDatagrams", "UdpSocket"]

_NAME: Final = "wasi:sockets/udp#"
_ENDPOINT: Final = RecordType((Field("host", Primitive.STRING), Field("port", Primitive.U16)))
_BOUND: Final = ResultType(_ENDPOINT, Primitive.STRING)
_DATAGRAM: Final = RecordType(
    (
        Field("data", ListType(Primitive.U8)),
        Field("host", Primitive.STRING),
        Field("port", Primitive.U16),
    )
)
_RECEIVED: Final = ResultType(ListType(_DATAGRAM), Primitive.STRING)


@final
class Datagrams:
    """A live socket: sends in the background, after what was recorded before is committed."""

    def __init__(self, system: socket.socket, committed: Callable[[], Awaitable[None]]) -> None:
        self.on_end: Callable[[], None] = lambda: None
        self.local = endpoint_of_system(system)
        self.received: deque[tuple[bytes, Endpoint]] = deque()
        self._system = system
        self._size = 0
        self._committed = committed
        self._outgoing: deque[tuple[bytes, Endpoint]] = deque()
        self._outgoing_size = 0
        self._more = asyncio.Event()
        self._is_closing = False
        self._linger: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._sending = asyncio.create_task(self._send(), name="udp")
        # Not before: what it waits for has the system's number of the socket.
        self._sending.add_done_callback(self._ended)
        asyncio.get_running_loop().add_reader(system, self._receive)

    async def change(self) -> None:
        """Return when something came."""
        await self._changed.wait()

    def take(self, count: int) -> list[tuple[bytes, Endpoint]]:
        """Remove up to `count` datagrams."""
        taken = [self.received.popleft() for _ in range(min(count, len(self.received)))]
        self._size -= sum(len(data) for data, _ in taken)
        return taken

    def send(self, data: bytes, to: Endpoint) -> None:
        """Send one. As everywhere, what finds no room is lost."""
        if self._outgoing_size + len(data) <= SEND_BUFFER_BYTES_MAX:
            self._outgoing.append((data, to))
            self._outgoing_size += len(data)
            self._more.set()

    def apply(self, options: Mapping[str, Value]) -> None:
        """Have the system's socket follow what the guest has set."""
        if not self._sending.done():
            apply_options(self._system, options)

    def close(self) -> None:
        """Send what was given, then close. Idempotent."""
        if not self._is_closing and not self._sending.done():
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self.abort)
        self._is_closing = True
        self._more.set()

    def abort(self) -> None:
        """Close it at once. Idempotent."""
        self._sending.cancel()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del task
        asyncio.get_running_loop().remove_reader(self._system)
        self._system.close()
        if self._linger is not None:
            self._linger.cancel()
        self.on_end()

    def _receive(self) -> None:
        with contextlib.suppress(OSError):
            data, (host, port, *_) = self._system.recvfrom(DATAGRAM_BYTES_MAX)
            # As everywhere, what finds no room is lost.
            if self._size + len(data) <= RECEIVE_BUFFER_BYTES_MAX:
                self.received.append((data, Endpoint(host, port)))
                self._size += len(data)
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._outgoing:
                if self._is_closing:
                    return
                self._more.clear()
                await self._more.wait()
            data, to = self._outgoing.popleft()
            await self._committed()
            self._outgoing_size -= len(data)
            with contextlib.suppress(OSError):
                await loop.sock_sendto(self._system, data, (to.host, to.port))


@refuses(SOCKET_REFUSED)
@final
class UdpSocket:
    """One socket; `state` is that of the guest's own course."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.state = "unbound"
        self.local: Endpoint | None = None
        self.remote: Endpoint | None = None
        self.options: dict[str, Value] = {}
        self._live: Datagrams | None = None

    def start_bind(self, endpoint: Endpoint) -> Value:
        """Choose where to receive."""
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
                local = self.live(context).local
            except OSError as error:
                return err(code_of(error))
            return ok({"host": local.host, "port": local.port})

        case, told = context.record(f"{_NAME}finish-bind", Kind.WRITE_LOCAL, _BOUND, live)
        if case == "err":
            self.state = "unbound"
            return err(told)
        self.local = Endpoint(told["host"], told["port"])
        self.state = "bound"
        return ok()

    def open(self, remote: Endpoint | None) -> Value:
        """Return the two directions; with a remote address, to and from there only."""
        if self.state != "bound":
            return err("invalid-state")
        if remote is not None and (remote.family != self.family or not remote.port):
            return err("invalid-argument")
        self.remote = remote
        return ok((IncomingDatagrams(self), OutgoingDatagrams(self)))

    def live(self, context: HostContext) -> Datagrams:
        """Return the live socket, made now if there is none.

        Raises:
            OSError: its address is not to be had.
        """
        if self._live is None:
            assert self.local is not None
            system = open_socket(self.family, socket.SOCK_DGRAM, self.local, self.options)
            self._live = Datagrams(system, context.committed)
            hold(context, self._live)
        return self._live

    def set_option(self, name: str, value: Value) -> None:
        """Set one, now and for what is to come."""
        self.options[name] = value
        if self._live is not None:
            self._live.apply({name: value})

    def address(self, *, is_remote: bool) -> Value:
        """Return one of its addresses."""
        endpoint = self.remote if is_remote else self.local
        return ok(to_wit(endpoint)) if endpoint and self.state == "bound" else err("invalid-state")

    def close(self, context: HostContext) -> None:
        """The guest dropped it."""
        count_socket(context, -1)
        if self._live is not None:
            self._live.close()


@refuses(SOCKET_REFUSED)
@final
class IncomingDatagrams:
    """The resource `incoming-datagram-stream`."""

    def __init__(self, owner: UdpSocket) -> None:
        self._owner = owner

    def receive(self, context: HostContext, count: int) -> Value:
        """Return what has come, perhaps nothing."""

        def live() -> Value:
            try:
                taken = self._owner.live(context).take(min(count, DATAGRAMS_PER_CALL_MAX))
            except OSError as error:
                return err(code_of(error))
            only = self._owner.remote
            return ok(
                [
                    {"data": data, "host": source.host, "port": source.port}
                    for data, source in taken
                    if only in {None, source}
                ]
            )

        case, told = context.record(f"{_NAME}receive", Kind.READ_REMOTE, _RECEIVED, live)
        if case == "err":
            return err(told)
        return ok(
            [
                {
                    "data": one["data"],
                    "remote-address": to_wit(Endpoint(one["host"], one["port"])),
                }
                for one in told
            ]
        )

    def subscribe(self, context: HostContext) -> Pollable:
        """Return what becomes ready when something has come."""

        def ready() -> bool:
            try:
                return bool(self._owner.live(context).received)
            except OSError:
                return True

        async def wait() -> None:
            if not ready():
                await self._owner.live(context).change()

        return SocketReady(ready, wait)


@refuses(SOCKET_REFUSED)
@final
class OutgoingDatagrams:
    """The resource `outgoing-datagram-stream`."""

    def __init__(self, owner: UdpSocket) -> None:
        self._owner = owner

    def send(self, context: HostContext, datagrams: list[Value]) -> Value:
        """Send all; returns how many. At replay they have gone out already."""
        given: list[tuple[bytes, Endpoint]] = []
        for datagram in datagrams:
            to = datagram["remote-address"]
            target = self._owner.remote if to is None else endpoint_of(to[0])
            if target is None or target.family != self._owner.family or not target.port:
                return err("invalid-argument")
            if self._owner.remote is not None and target != self._owner.remote:
                return err("invalid-argument")
            if len(datagram["data"]) > DATAGRAM_BYTES_MAX:
                return err("datagram-too-large")
            given.append((datagram["data"], target))

        def live() -> Value:
            for data, target in given:
                with contextlib.suppress(OSError):
                    self._owner.live(context).send(data, target)
            return len(given)

        return ok(context.record(f"{_NAME}send", Kind.WRITE_REMOTE, Primitive.U64, live))

    def subscribe(self) -> Pollable:
        """Return a pollable that is ready: datagrams never wait."""
        return Always()
