"""Options of sockets: told as the guest has set them, and set on sockets of the system."""

from collections.abc import Callable, Mapping

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.sockets.tcp import TcpSocket
from actors.host.sockets.udp import UdpSocket
from wit.values import Value, err, ok

__all__ = ["register_options"]


def register_options(
    interface: HostInterface, resource: str, defaults: Mapping[str, Value]
) -> None:
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
        socket.set_option(name, value)
        return ok()

    return set_
