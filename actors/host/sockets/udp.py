"""The resource `udp-socket` and its streams. Datagrams may get lost, over a crash too."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, final

from actors.host.context import HostContext
from actors.host.interface import Kind
from actors.host.pollable import Always, Pollable
from actors.host.saving import refuses
from actors.host.sockets.addresses import Endpoint, code_of, endpoint_of, to_wit
from actors.host.sockets.limits import (
    DATAGRAM_BYTES_MAX,
    DATAGRAMS_PER_CALL_MAX,
    RECEIVE_BUFFER_BYTES_MAX,
)
from actors.host.sockets.tcp import SOCKET_REFUSED, SocketReady, count_socket
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

    def __init__(self, local: Endpoint, committed: Callable[[], Awaitable[None]]) -> None:
        family = socket.AF_INET6 if ":" in local.host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((local.host, local.port))
        host, port = self._socket.getsockname()[:2]
        self.local = Endpoint(host, port)
        self.received: deque[tuple[bytes, Endpoint]] = deque()
        self._size = 0
        self._committed = committed
        self._queue: asyncio.Queue[tuple[bytes, Endpoint]] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._sending = asyncio.create_task(self._send(), name="udp")
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._receive)

    async def change(self) -> None:
        """Return when something came."""
        await self._changed.wait()

    def take(self, count: int) -> list[tuple[bytes, Endpoint]]:
        """Remove up to `count` datagrams."""
        taken = [self.received.popleft() for _ in range(min(count, len(self.received)))]
        self._size -= sum(len(data) for data, _ in taken)
        return taken

    def send(self, data: bytes, to: Endpoint) -> None:
        """Send one."""
        self._queue.put_nowait((data, to))

    def close(self) -> None:
        """Close it. Idempotent."""
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
        self._sending.cancel()

    def _receive(self) -> None:
        with contextlib.suppress(OSError):
            data, (host, port, *_) = self._socket.recvfrom(DATAGRAM_BYTES_MAX)
            # As everywhere, what finds no room is lost.
            if self._size + len(data) <= RECEIVE_BUFFER_BYTES_MAX:
                self.received.append((data, Endpoint(host, port)))
                self._size += len(data)
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data, to = await self._queue.get()
            await self._committed()
            with contextlib.suppress(OSError):
                await loop.sock_sendto(self._socket, data, (to.host, to.port))


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
        """Return the live socket, made now if there is none."""
        if self._live is None:
            assert self.local is not None
            self._live = Datagrams(self.local, context.committed)
            context.on_close(self._live.close)
        return self._live

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
