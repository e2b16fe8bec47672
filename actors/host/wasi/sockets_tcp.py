"""`wasi:sockets/{tcp,tcp-create-socket}`: connections to others.

A worker does not listen: an address of its own would be that of whatever executor runs it. It is
reached by invocations, and by HTTP through `wasi:http/incoming-handler`.
"""

from typing import Final

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.pollable import Pollable
from actors.host.sockets.addresses import endpoint_of
from actors.host.sockets.tcp import TcpSocket, count_socket
from actors.host.wasi.sockets_network import DENIED
from actors.host.wasi.sockets_options import TCP_OPTIONS, register_options
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value, err, ok

__all__ = ["TCP", "TCP_CREATE_SOCKET"]

TCP = HostInterface("wasi:sockets/tcp", version=WASI_VERSION)
TCP_CREATE_SOCKET = HostInterface("wasi:sockets/tcp-create-socket", version=WASI_VERSION)
_SERVERS_ONLY: Final = ("start-listen", "finish-listen", "accept", "set-listen-backlog-size")

register_options(TCP, "tcp-socket", TCP_OPTIONS)


@TCP_CREATE_SOCKET.function("create-tcp-socket", Kind.PURE)
def create(context: HostContext, family: str) -> Value:
    """Return a socket, if the component may have one."""
    if not context.allows_sockets:
        return DENIED
    return ok(TcpSocket(family)) if count_socket(context, 1) else err("new-socket-limit")


@TCP.function("[method]tcp-socket.start-bind", Kind.PURE)
def start_bind(context: HostContext, socket: TcpSocket, network: Value, address: Value) -> Value:
    """Choose where to send from."""
    del context, network
    return socket.start_bind(endpoint_of(address))


@TCP.function("[method]tcp-socket.finish-bind", Kind.PURE)
def finish_bind(context: HostContext, socket: TcpSocket) -> Value:
    """Complete it."""
    del context
    return socket.finish_bind()


@TCP.function("[method]tcp-socket.start-connect", Kind.PURE)
def start_connect(context: HostContext, socket: TcpSocket, network: Value, address: Value) -> Value:
    """Choose whom to connect to."""
    del context, network
    return socket.start_connect(endpoint_of(address))


@TCP.function("[method]tcp-socket.finish-connect", Kind.PURE, records=Kind.WRITE_REMOTE)
def finish_connect(context: HostContext, socket: TcpSocket) -> Value:
    """Return the streams, once connected."""
    return socket.finish_connect(context)


@TCP.function("[method]tcp-socket.local-address", Kind.PURE)
def local_address(context: HostContext, socket: TcpSocket) -> Value:
    """Return where it sends from."""
    del context
    return socket.address(is_remote=False)


@TCP.function("[method]tcp-socket.remote-address", Kind.PURE)
def remote_address(context: HostContext, socket: TcpSocket) -> Value:
    """Return whom it is connected to."""
    del context
    return socket.address(is_remote=True)


@TCP.function("[method]tcp-socket.is-listening", Kind.PURE)
def is_listening(context: HostContext, socket: TcpSocket) -> bool:
    """Return that it does not listen."""
    del context, socket
    return False


@TCP.function("[method]tcp-socket.address-family", Kind.PURE)
def address_family(context: HostContext, socket: TcpSocket) -> str:
    """Return the family it was made for."""
    del context
    return socket.family


@TCP.function("[method]tcp-socket.subscribe", Kind.PURE)
def subscribe(context: HostContext, socket: TcpSocket) -> Pollable:
    """Return what becomes ready when the connection stands or failed."""
    return socket.subscribe(context)


@TCP.function("[method]tcp-socket.shutdown", Kind.PURE)
def shutdown(context: HostContext, socket: TcpSocket, how: str) -> Value:
    """End one direction or both."""
    del context
    return socket.shutdown(how)


def refuse(context: HostContext, *arguments: Value) -> Value:
    """Answer that workers do not listen."""
    del context, arguments
    return err("not-supported")


for _name in _SERVERS_ONLY:
    TCP.function(f"[method]tcp-socket.{_name}", Kind.PURE)(refuse)


@TCP.drop("tcp-socket")
def drop(context: HostContext, socket: TcpSocket) -> None:
    """Close it."""
    socket.close(context)
