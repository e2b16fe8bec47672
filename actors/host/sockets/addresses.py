"""Socket addresses and error codes, between WIT and the operating system."""

import errno
import ipaddress
import socket
from typing import Final, TypeAlias

from msgspec import Struct

from wit.values import Value

__all__ = [
    "Endpoint",
    "code_of",
    "endpoint_of",
    "ip_to_wit",
    "is_unspecified",
    "to_wit",
]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_CODES: Final = {
    errno.ECONNREFUSED: "connection-refused",
    errno.ECONNRESET: "connection-reset",
    errno.EPIPE: "connection-reset",
    errno.ECONNABORTED: "connection-aborted",
    errno.EADDRINUSE: "address-in-use",
    errno.EADDRNOTAVAIL: "address-not-bindable",
    errno.EHOSTUNREACH: "remote-unreachable",
    errno.ENETUNREACH: "remote-unreachable",
    errno.ETIMEDOUT: "timeout",
    errno.EMSGSIZE: "datagram-too-large",
    errno.EACCES: "access-denied",
    errno.EPERM: "access-denied",
    errno.EINVAL: "invalid-argument",
    errno.ENOMEM: "out-of-memory",
    errno.ENOBUFS: "out-of-memory",
    errno.EMFILE: "new-socket-limit",
}


class Endpoint(Struct, frozen=True):
    """An address and a port."""

    host: str
    port: int

    @property
    def family(self) -> str:
        """The WIT name of its address family."""
        return f"ipv{ipaddress.ip_address(self.host).version}"


def endpoint_of(address: Value) -> Endpoint:
    """Return what an `ip-socket-address` means."""
    case, fields = address
    return Endpoint(str(_ip(case, fields["address"])), fields["port"])


def to_wit(endpoint: Endpoint) -> Value:
    """Return an `ip-socket-address`."""
    case, address = ip_to_wit(endpoint.host)
    fields = {"port": endpoint.port, "address": address}
    return case, fields if case == "ipv4" else {**fields, "flow-info": 0, "scope-id": 0}


def ip_to_wit(text: str) -> Value:
    """Return an `ip-address`."""
    address = ipaddress.ip_address(text.partition("%")[0])
    packed = address.packed
    if isinstance(address, ipaddress.IPv4Address):
        return "ipv4", tuple(packed)
    return "ipv6", tuple(int.from_bytes(packed[at : at + 2]) for at in range(0, 16, 2))


def is_unspecified(endpoint: Endpoint) -> bool:
    """Tell whether an address means any."""
    return ipaddress.ip_address(endpoint.host).is_unspecified


def code_of(error: BaseException) -> str:
    """Return the WIT error code for whatever the operating system says."""
    match error:
        case TimeoutError():
            return "timeout"
        case socket.gaierror():
            temporary = error.errno == socket.EAI_AGAIN
            return "temporary-resolver-failure" if temporary else "name-unresolvable"
        case OSError() if error.errno in _CODES:
            return _CODES[error.errno]
        case ConnectionError():
            return "connection-reset"
        case _:
            return "unknown"


def _ip(case: str, parts: tuple[int, ...]) -> Address:
    if case == "ipv4":
        return ipaddress.IPv4Address(bytes(parts))
    return ipaddress.IPv6Address(b"".join(part.to_bytes(2) for part in parts))
