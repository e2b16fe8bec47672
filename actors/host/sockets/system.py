"""Sockets of the operating system, made for a worker: as such, and those that listen."""

import asyncio
import select
import socket
from collections.abc import Callable, Mapping
from typing import Final, final

from actors.host.sockets.addresses import Endpoint
from actors.host.sockets.options import apply_options, backlog_of
from wit.values import Value

__all__ = ["Bound", "Listener", "endpoint_of_system", "open_socket"]

_FAMILIES: Final = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


def open_socket(
    family: str, kind: socket.SocketKind, local: Endpoint | None, options: Mapping[str, Value]
) -> socket.socket:
    """Return a socket that never blocks, bound if `local` is given.

    Raises:
        OSError: as the system says.
    """
    system = socket.socket(_FAMILIES[family], kind)
    try:
        system.setblocking(False)
        if family == "ipv6":
            # The other family has sockets of its own.
            system.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind is socket.SOCK_STREAM:
            # Connections that are over hold their port for a while; no guest waits for that.
            system.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        apply_options(system, options)
        if local is not None:
            system.bind((local.host, local.port))
    except BaseException:
        system.close()
        raise
    return system


def endpoint_of_system(system: socket.socket) -> Endpoint:
    """Return where it is bound."""
    host, port = system.getsockname()[:2]
    return Endpoint(host, port)


@final
class Bound:
    """A socket that has an address, and neither is connected nor listens."""

    def __init__(self, system: socket.socket) -> None:
        self.on_end: Callable[[], None] = lambda: None
        self.system = system

    def taken(self) -> socket.socket:
        """Return it for somebody else to close."""
        self.on_end()
        return self.system

    def apply(self, options: Mapping[str, Value]) -> None:
        """Have it follow what the guest has set."""
        apply_options(self.system, options)

    def abort(self) -> None:
        """Close it. Idempotent."""
        self.on_end()
        self.system.close()


@final
class Listener:
    """A live socket that connections come to. They wait in the system until they are accepted."""

    def __init__(self, bound: socket.socket, options: Mapping[str, Value]) -> None:
        self.on_end: Callable[[], None] = lambda: None
        self.system = bound
        self._options = options
        self._waiting: set[asyncio.Future[None]] = set()
        try:
            self.listen()
        except OSError:
            bound.close()
            raise

    def listen(self) -> None:
        """Listen, or say anew how many may wait."""
        self.system.listen(backlog_of(self._options))

    def apply(self, options: Mapping[str, Value]) -> None:
        """Have it follow what the guest has set; connections inherit it when they come."""
        apply_options(self.system, options)

    @property
    def is_ready(self) -> bool:
        """Whether a connection waits, or nothing ever will."""
        if self.system.fileno() < 0:
            return True
        poller = select.poll()
        poller.register(self.system, select.POLLIN)
        return bool(poller.poll(0))

    def accept(self) -> tuple[socket.socket, Endpoint]:
        """Return the next connection and who made it.

        Raises:
            BlockingIOError: nobody has.
            OSError: as the system says.
        """
        system, address = self.system.accept()
        system.setblocking(False)
        apply_options(system, self._options)
        return system, Endpoint(address[0].partition("%")[0], address[1])

    async def change(self) -> None:
        """Return when a connection waits, or at the end."""
        loop = asyncio.get_running_loop()
        waiting = loop.create_future()
        if not self._waiting:
            loop.add_reader(self.system, self._wake)
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)
            if not self._waiting and self.system.fileno() >= 0:
                loop.remove_reader(self.system)

    def abort(self) -> None:
        """Listen no longer; whoever waits is turned away. Idempotent."""
        if self.system.fileno() >= 0:
            if self._waiting:
                asyncio.get_running_loop().remove_reader(self.system)
            self.system.close()
        self._wake()
        self.on_end()

    def _wake(self) -> None:
        for each in self._waiting:
            if not each.done():
                each.set_result(None)
