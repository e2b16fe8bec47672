"""`wasi:sockets/{tcp,tcp-create-socket}`: no socket can be created, see `sockets_network`."""

from typing import Final

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.wasi.sockets_network import deny, never_waits
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value

__all__ = ["TCP", "TCP_CREATE_SOCKET"]

TCP = HostInterface("wasi:sockets/tcp", version=WASI_VERSION)
TCP_CREATE_SOCKET = HostInterface("wasi:sockets/tcp-create-socket", version=WASI_VERSION)

_ANSWERED_BY_A_RESULT: Final = (
    "start-bind",
    "finish-bind",
    "start-connect",
    "finish-connect",
    "start-listen",
    "finish-listen",
    "accept",
    "local-address",
    "remote-address",
    "set-listen-backlog-size",
    "keep-alive-enabled",
    "set-keep-alive-enabled",
    "keep-alive-idle-time",
    "set-keep-alive-idle-time",
    "keep-alive-interval",
    "set-keep-alive-interval",
    "keep-alive-count",
    "set-keep-alive-count",
    "hop-limit",
    "set-hop-limit",
    "receive-buffer-size",
    "set-receive-buffer-size",
    "send-buffer-size",
    "set-send-buffer-size",
    "shutdown",
)

TCP_CREATE_SOCKET.function("create-tcp-socket", Kind.PURE)(deny)
for _name in _ANSWERED_BY_A_RESULT:
    TCP.function(f"[method]tcp-socket.{_name}", Kind.PURE)(deny)
TCP.function("[method]tcp-socket.subscribe", Kind.PURE)(never_waits)


@TCP.function("[method]tcp-socket.is-listening", Kind.PURE)
def is_listening(context: HostContext, socket: Value) -> bool:
    """Return that it does not listen."""
    del context, socket
    return False


@TCP.function("[method]tcp-socket.address-family", Kind.PURE)
def address_family(context: HostContext, socket: Value) -> str:
    """Return the family that guests ask for first."""
    del context, socket
    return "ipv4"
