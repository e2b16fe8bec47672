"""`wasi:sockets/{udp,udp-create-socket}`: no socket can be created, see `sockets_network`."""

from typing import Final

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.wasi.sockets_network import deny, never_waits
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value

__all__ = ["UDP", "UDP_CREATE_SOCKET"]

UDP = HostInterface("wasi:sockets/udp", version=WASI_VERSION)
UDP_CREATE_SOCKET = HostInterface("wasi:sockets/udp-create-socket", version=WASI_VERSION)

_ANSWERED_BY_A_RESULT: Final = (
    "udp-socket.start-bind",
    "udp-socket.finish-bind",
    "udp-socket.stream",
    "udp-socket.local-address",
    "udp-socket.remote-address",
    "udp-socket.unicast-hop-limit",
    "udp-socket.set-unicast-hop-limit",
    "udp-socket.receive-buffer-size",
    "udp-socket.set-receive-buffer-size",
    "udp-socket.send-buffer-size",
    "udp-socket.set-send-buffer-size",
    "incoming-datagram-stream.receive",
    "outgoing-datagram-stream.check-send",
    "outgoing-datagram-stream.send",
)

UDP_CREATE_SOCKET.function("create-udp-socket", Kind.PURE)(deny)
for _name in _ANSWERED_BY_A_RESULT:
    UDP.function(f"[method]{_name}", Kind.PURE)(deny)
for _name in ("udp-socket", "incoming-datagram-stream", "outgoing-datagram-stream"):
    UDP.function(f"[method]{_name}.subscribe", Kind.PURE)(never_waits)


@UDP.function("[method]udp-socket.address-family", Kind.PURE)
def address_family(context: HostContext, socket: Value) -> str:
    """Return the family that guests ask for first."""
    del context, socket
    return "ipv4"
