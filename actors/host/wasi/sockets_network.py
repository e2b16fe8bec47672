"""`wasi:sockets/{network,instance-network,ip-name-lookup}`: workers have no network.

A connection cannot be replayed: its bytes could be recorded, but not the state that the other side
keeps. So none is made, and guests learn it through the error code made for that; `wasi:http` is the
way out. All functions are there, since toolchains import them whether a guest uses them or not.
"""

from typing import Final, final

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.pollable import Always, Pollable
from actors.host.saving import saveable
from actors.host.streams import IoError
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value, err, some

__all__ = ["DENIED", "INSTANCE_NETWORK", "IP_NAME_LOOKUP", "NETWORK", "deny", "never_waits"]

DENIED: Final[Value] = err("access-denied")

NETWORK = HostInterface("wasi:sockets/network", version=WASI_VERSION)
INSTANCE_NETWORK = HostInterface("wasi:sockets/instance-network", version=WASI_VERSION)
IP_NAME_LOOKUP = HostInterface("wasi:sockets/ip-name-lookup", version=WASI_VERSION)


@saveable("sockets/network")
@final
class Network:
    """The resource `network`: the right to use one, which here permits nothing."""


def deny(context: HostContext, *arguments: Value) -> Value:
    """Answer that it is not allowed."""
    del context, arguments
    return DENIED


def never_waits(context: HostContext, *arguments: Value) -> Pollable:
    """Return a pollable that is ready: there is an answer at once, if only a refusal."""
    del context, arguments
    return Always()


@NETWORK.function("network-error-code", Kind.PURE)
def network_error_code(context: HostContext, error: IoError) -> Value:
    """Return the code of an error, if it came from the network."""
    del context
    return some(error.network_code) if error.network_code else None


@INSTANCE_NETWORK.function("instance-network", Kind.PURE)
def instance_network(context: HostContext) -> Network:
    """Return the worker's network."""
    del context
    return Network()


IP_NAME_LOOKUP.function("resolve-addresses", Kind.PURE)(deny)
IP_NAME_LOOKUP.function("[method]resolve-address-stream.resolve-next-address", Kind.PURE)(deny)
IP_NAME_LOOKUP.function("[method]resolve-address-stream.subscribe", Kind.PURE)(never_waits)
