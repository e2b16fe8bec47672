"""Options of sockets, as the guest sets them, on sockets of the system.

What a guest reads is what it has set, the same at replay and on every machine; the system gets the
nearest that it takes.
"""

import contextlib
import socket
from collections.abc import Mapping
from typing import Final

from actors.host.sockets.limits import BACKLOG_MAX, SYSTEM_BUFFER_BYTES_MAX
from wit.values import Value

__all__ = ["DEFAULT_BACKLOG", "TCP_OPTIONS", "UDP_OPTIONS", "apply_options", "backlog_of"]

_NS: Final = 1_000_000_000
DEFAULT_BACKLOG: Final = 128
TCP_OPTIONS: Final[Mapping[str, Value]] = {
    "keep-alive-enabled": False,
    "keep-alive-idle-time": 7_200 * _NS,
    "keep-alive-interval": 75 * _NS,
    "keep-alive-count": 9,
    "hop-limit": 64,
    "receive-buffer-size": 65_536,
    "send-buffer-size": 65_536,
}
UDP_OPTIONS: Final[Mapping[str, Value]] = {
    "unicast-hop-limit": 64,
    "receive-buffer-size": 65_536,
    "send-buffer-size": 65_536,
}
# What Linux takes at most; it refuses more.
_SECONDS_MAX: Final = 32_767
_PROBES_MAX: Final = 127


def apply_options(system: socket.socket, options: Mapping[str, Value]) -> None:
    """Set what the guest has set. What the system does not have it goes without."""
    for name, value in options.items():
        with contextlib.suppress(OSError):
            _apply(system, name, value)


def backlog_of(options: Mapping[str, Value]) -> int:
    """Return how many connections may wait to be accepted."""
    wanted: int = options.get("listen-backlog-size", DEFAULT_BACKLOG)
    return min(BACKLOG_MAX, wanted)


def _apply(system: socket.socket, name: str, value: Value) -> None:
    match name:
        case "keep-alive-enabled":
            system.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(value))
        case "keep-alive-idle-time":
            system.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _seconds(value))
        case "keep-alive-interval":
            system.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _seconds(value))
        case "keep-alive-count":
            system.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, min(value, _PROBES_MAX))
        case "hop-limit" | "unicast-hop-limit":
            if system.family == socket.AF_INET6:
                system.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, value)
            else:
                system.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, value)
        case "receive-buffer-size":
            size = min(value, SYSTEM_BUFFER_BYTES_MAX)
            system.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
        case "send-buffer-size":
            size = min(value, SYSTEM_BUFFER_BYTES_MAX)
            system.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        case "listen-backlog-size":
            # It is no option for the system, but said when it listens.
            pass
        case _:
            raise AssertionError(f"no option of sockets: {name}")


def _seconds(nanoseconds: int) -> int:
    return min(_SECONDS_MAX, -(-nanoseconds // _NS))
