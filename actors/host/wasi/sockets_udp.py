"""`wasi:sockets/{udp,udp-create-socket}`: datagrams."""

from actors.engine.errors import GuestTrap
from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.pollable import Always, Pollable
from actors.host.sockets.addresses import endpoint_of
from actors.host.sockets.limits import DATAGRAMS_PER_CALL_MAX
from actors.host.sockets.options import UDP_OPTIONS
from actors.host.sockets.ready import count_socket
from actors.host.sockets.udp import IncomingDatagrams, OutgoingDatagrams, UdpSocket
from actors.host.wasi.sockets_network import DENIED
from actors.host.wasi.sockets_options import register_options
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value, err, ok

__all__ = ["UDP", "UDP_CREATE_SOCKET"]

UDP = HostInterface("wasi:sockets/udp", version=WASI_VERSION)
UDP_CREATE_SOCKET = HostInterface("wasi:sockets/udp-create-socket", version=WASI_VERSION)

register_options(UDP, "udp-socket", UDP_OPTIONS)


@UDP_CREATE_SOCKET.function("create-udp-socket", Kind.PURE)
def create(context: HostContext, family: str) -> Value:
    """Return a socket, if the component may have one."""
    if not context.allows_sockets:
        return DENIED
    return ok(UdpSocket(family)) if count_socket(context, 1) else err("new-socket-limit")


@UDP.function("[method]udp-socket.start-bind", Kind.PURE)
def start_bind(context: HostContext, socket: UdpSocket, network: Value, address: Value) -> Value:
    """Choose where to receive."""
    del context, network
    return socket.start_bind(endpoint_of(address))


@UDP.function("[method]udp-socket.finish-bind", Kind.PURE, records=Kind.WRITE_LOCAL)
def finish_bind(context: HostContext, socket: UdpSocket) -> Value:
    """Bind."""
    return socket.finish_bind(context)


@UDP.function("[method]udp-socket.stream", Kind.PURE)
def stream(context: HostContext, socket: UdpSocket, remote: Value) -> Value:
    """Return the two directions."""
    del context
    return socket.open(None if remote is None else endpoint_of(remote[0]))


@UDP.function("[method]udp-socket.local-address", Kind.PURE)
def local_address(context: HostContext, socket: UdpSocket) -> Value:
    """Return where it receives."""
    del context
    return socket.address(is_remote=False)


@UDP.function("[method]udp-socket.remote-address", Kind.PURE)
def remote_address(context: HostContext, socket: UdpSocket) -> Value:
    """Return the only one it talks with."""
    del context
    return socket.address(is_remote=True)


@UDP.function("[method]udp-socket.address-family", Kind.PURE)
def address_family(context: HostContext, socket: UdpSocket) -> str:
    """Return the family it was made for."""
    del context
    return socket.family


@UDP.function("[method]udp-socket.subscribe", Kind.PURE)
def subscribe(context: HostContext, socket: UdpSocket) -> Pollable:
    """Return a pollable that is ready: binding never waits."""
    del context, socket
    return Always()


@UDP.function("[method]incoming-datagram-stream.receive", Kind.PURE, records=Kind.READ_REMOTE)
def receive(context: HostContext, incoming: IncomingDatagrams, count: int) -> Value:
    """Return what has come."""
    return incoming.receive(context, count)


@UDP.function("[method]incoming-datagram-stream.subscribe", Kind.PURE)
def subscribe_incoming(context: HostContext, incoming: IncomingDatagrams) -> Pollable:
    """Return what becomes ready when something has come."""
    return incoming.subscribe(context)


@UDP.function("[method]outgoing-datagram-stream.check-send", Kind.PURE)
def check_send(context: HostContext, outgoing: OutgoingDatagrams) -> Value:
    """Return how many may be sent at once."""
    del context, outgoing
    return ok(DATAGRAMS_PER_CALL_MAX)


@UDP.function("[method]outgoing-datagram-stream.send", Kind.PURE, records=Kind.WRITE_REMOTE)
def send(context: HostContext, outgoing: OutgoingDatagrams, datagrams: list[Value]) -> Value:
    """Send all."""
    if len(datagrams) > DATAGRAMS_PER_CALL_MAX:
        raise GuestTrap(
            f"outgoing-datagram-stream.send: {len(datagrams)} datagrams, check-send permits "
            f"{DATAGRAMS_PER_CALL_MAX}",
            kind="limit",
        )
    return outgoing.send(context, datagrams)


@UDP.function("[method]outgoing-datagram-stream.subscribe", Kind.PURE)
def subscribe_outgoing(context: HostContext, outgoing: OutgoingDatagrams) -> Pollable:
    """Return what becomes ready when something may be sent."""
    del context
    return outgoing.subscribe()


@UDP.drop("udp-socket")
def drop(context: HostContext, socket: UdpSocket) -> None:
    """Close it."""
    socket.close(context)
