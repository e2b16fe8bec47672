"""`wasi:sockets/{network,instance-network,ip-name-lookup}`: for components that may use them.

The permission is the operator's, per component and off by default; without it every function that
would use the network answers `access-denied`. All functions are there in any case, since toolchains
import them whether a guest uses them or not.
"""

from typing import Final, final

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.pollable import Pollable
from actors.host.saving import saveable
from actors.host.sockets.lookup import AddressStream, count_lookup, is_name
from actors.host.streams import IoError
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value, err, ok, some

__all__ = ["DENIED", "INSTANCE_NETWORK", "IP_NAME_LOOKUP", "NETWORK"]

DENIED: Final[Value] = err("access-denied")

NETWORK = HostInterface("wasi:sockets/network", version=WASI_VERSION)
INSTANCE_NETWORK = HostInterface("wasi:sockets/instance-network", version=WASI_VERSION)
IP_NAME_LOOKUP = HostInterface("wasi:sockets/ip-name-lookup", version=WASI_VERSION)


@saveable("sockets/network")
@final
class Network:
    """The resource `network`: the right to use one, as far as the component has it."""


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


@IP_NAME_LOOKUP.function("resolve-addresses", Kind.PURE)
def resolve_addresses(context: HostContext, network: Network, name: str) -> Value:
    """Begin to look up a name."""
    del network
    if not context.allows_sockets:
        return DENIED
    if not is_name(name):
        return err("invalid-argument")
    if not count_lookup(context, 1):
        return err("temporary-resolver-failure")
    return ok(AddressStream(name))


@IP_NAME_LOOKUP.function(
    "[method]resolve-address-stream.resolve-next-address", Kind.PURE, records=Kind.READ_REMOTE
)
def resolve_next(context: HostContext, stream: AddressStream) -> Value:
    """Return the next address."""
    return stream.next(context)


@IP_NAME_LOOKUP.function("[method]resolve-address-stream.subscribe", Kind.PURE)
def subscribe(context: HostContext, stream: AddressStream) -> Pollable:
    """Return what becomes ready with the answer."""
    return stream.subscribe(context)


@IP_NAME_LOOKUP.drop("resolve-address-stream")
def drop(context: HostContext, stream: AddressStream) -> None:
    """Ask no longer."""
    stream.close(context)
