"""How often each client may use each route: token buckets, one for each pair, in bounded memory."""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final, final

__all__ = ["Rates", "client_of"]

# Beyond it the client that was quiet for longest is forgotten, which only ever lets more pass.
BUCKETS_MAX: Final = 100_000
# Who has an IPv6 address has all of its /64.
_V6_PREFIX: Final = 64
# Who waits as long as told must not be refused for a rounding error.
_GRAIN: Final = 1e-9


@final
class Rates:
    """The buckets of one gateway."""

    def __init__(self, clock: Callable[[], float], *, buckets_max: int = BUCKETS_MAX) -> None:
        """Make empty buckets; `clock` gives seconds that never go back."""
        self._clock = clock
        self._buckets_max = buckets_max
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def take(self, who: Hashable, *, requests: int, per_s: float) -> float:
        """Take a token of a bucket that holds `requests` and refills in `per_s` seconds.

        Returns:
            0 if there was one, otherwise in how many seconds there will be.
        """
        now = self._clock()
        tokens, since = self._buckets.pop(who, (float(requests), now))
        tokens = min(float(requests), tokens + (now - since) * requests / per_s)
        wait_s = 0.0
        if tokens >= 1 - _GRAIN:
            tokens -= 1
        else:
            wait_s = (1 - tokens) * per_s / requests
        self._buckets[who] = tokens, now
        if len(self._buckets) > self._buckets_max:
            self._buckets.popitem(last=False)
        return wait_s


def client_of(address: str) -> str:
    """Return what counts as one client: an address, or the network that an IPv6 host is given."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _V6_PREFIX), strict=False))
