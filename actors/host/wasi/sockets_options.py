"""Options of sockets: kept and told, as the guest sets them. They do not reach the system's."""

from collections.abc import Callable
from typing import Final

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.sockets.tcp import TcpSocket
from actors.host.sockets.udp import UdpSocket
from wit.values import Value, err, ok

__all__ = ["TCP_OPTIONS", "UDP_OPTIONS", "register_options"]

_NS: Final = 1_000_000_000
TCP_OPTIONS: Final[dict[str, Value]] = {
    "keep-alive-enabled": False,
    "keep-alive-idle-time": 7_200 * _NS,
    "keep-alive-interval": 75 * _NS,
    "keep-alive-count": 9,
    "hop-limit": 64,
    "receive-buffer-size": 65_536,
    "send-buffer-size": 65_536,
}
UDP_OPTIONS: Final[dict[str, Value]] = {
    "unicast-hop-limit": 64,
    "receive-buffer-size": 65_536,
    "send-buffer-size": 65_536,
}


def register_options(interface: HostInterface, resource: str, defaults: dict[str, Value]) -> None:
    """Register a getter and a setter for each option."""
    for name, default in defaults.items():
        interface.function(f"[method]{resource}.{name}", Kind.PURE)(_getter(name, default))
        interface.function(f"[method]{resource}.set-{name}", Kind.PURE)(_setter(name))


def _getter(name: str, default: Value) -> Callable[[HostContext, TcpSocket | UdpSocket], Value]:
    def get(context: HostContext, socket: TcpSocket | UdpSocket) -> Value:
        del context
        return ok(socket.options.get(name, default))

    return get


def _setter(name: str) -> Callable[[HostContext, TcpSocket | UdpSocket, Value], Value]:
    def set_(context: HostContext, socket: TcpSocket | UdpSocket, value: Value) -> Value:
        del context
        # No number among them may be 0; a flag may be off.
        if not value and not isinstance(value, bool):
            return err("invalid-argument")
        socket.options[name] = value
        return ok()

    return set_
