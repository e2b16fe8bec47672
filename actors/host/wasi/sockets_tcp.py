"""`wasi:sockets/{tcp,tcp-create-socket}`: connections to others, and from others.

A worker that listens does so at an address of the executor that runs it, as long as it is in memory
there. What is to reach it wherever it is goes by invocations, or by HTTP through
`wasi:http/incoming-handler`.
"""

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.pollable import Pollable
from actors.host.sockets.addresses import endpoint_of
from actors.host.sockets.options import TCP_OPTIONS
from actors.host.sockets.ready import count_socket
from actors.host.sockets.tcp import TcpSocket
from actors.host.wasi.sockets_network import DENIED
from actors.host.wasi.sockets_options import register_options
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value, err, ok

__all__ = ["TCP", "TCP_CREATE_SOCKET"]

TCP = HostInterface("wasi:sockets/tcp", version=WASI_VERSION)
TCP_CREATE_SOCKET = HostInterface("wasi:sockets/tcp-create-socket", version=WASI_VERSION)

register_options(TCP, "tcp-socket", TCP_OPTIONS)


@TCP_CREATE_SOCKET.function("create-tcp-socket", Kind.PURE)
def create(context: HostContext, family: str) -> Value:
    """Return a socket, if the component may have one."""
    if not context.allows_sockets:
        return DENIED
    return ok(TcpSocket(family)) if count_socket(context, 1) else err("new-socket-limit")


@TCP.function("[method]tcp-socket.start-bind", Kind.PURE)
def start_bind(context: HostContext, socket: TcpSocket, network: Value, address: Value) -> Value:
    """Choose where to send from, or where to listen."""
    del context, network
    return socket.start_bind(endpoint_of(address))


@TCP.function("[method]tcp-socket.finish-bind", Kind.PURE, records=Kind.WRITE_LOCAL)
def finish_bind(context: HostContext, socket: TcpSocket) -> Value:
    """Bind."""
    return socket.finish_bind(context)


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
    """Return whether others may connect to it."""
    del context
    return socket.state == "listening"


@TCP.function("[method]tcp-socket.address-family", Kind.PURE)
def address_family(context: HostContext, socket: TcpSocket) -> str:
    """Return the family it was made for."""
    del context
    return socket.family


@TCP.function("[method]tcp-socket.subscribe", Kind.PURE)
def subscribe(context: HostContext, socket: TcpSocket) -> Pollable:
    """Return what becomes ready when the connection stands or failed, or another one came."""
    return socket.subscribe(context)


@TCP.function("[method]tcp-socket.shutdown", Kind.PURE)
def shutdown(context: HostContext, socket: TcpSocket, how: str) -> Value:
    """End one direction or both."""
    del context
    return socket.shutdown(how)


@TCP.function("[method]tcp-socket.start-listen", Kind.PURE)
def start_listen(context: HostContext, socket: TcpSocket) -> Value:
    """Choose to be connected to."""
    del context
    return socket.start_listen()


@TCP.function("[method]tcp-socket.finish-listen", Kind.PURE, records=Kind.WRITE_LOCAL)
def finish_listen(context: HostContext, socket: TcpSocket) -> Value:
    """Listen."""
    return socket.finish_listen(context)


@TCP.function("[method]tcp-socket.accept", Kind.PURE, records=Kind.READ_REMOTE)
def accept(context: HostContext, socket: TcpSocket) -> Value:
    """Return the next connection, with its streams."""
    return socket.accept(context)


@TCP.function("[method]tcp-socket.set-listen-backlog-size", Kind.PURE)
def set_listen_backlog_size(context: HostContext, socket: TcpSocket, size: int) -> Value:
    """Say how many connections may wait to be accepted."""
    del context
    return socket.set_backlog(size)


@TCP.drop("tcp-socket")
def drop(context: HostContext, socket: TcpSocket) -> None:
    """Close it."""
    socket.close(context)
