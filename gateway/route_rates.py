"""Who asks too often: the rates of routes, for requests and for websockets alike."""

import math
import time
from typing import final

from gateway.deployments import LiveRoute
from gateway.errors import RequestError
from gateway.incoming import Incoming
from gateway.rates import Rates, client_of

__all__ = ["RouteRates"]


@final
class RouteRates:
    """The rates of all routes of one gateway."""

    def __init__(self) -> None:
        self._rates = Rates(time.monotonic)

    def check(self, live: LiveRoute, request: Incoming) -> None:
        """Let a request pass.

        Raises:
            RequestError: 429, its client has asked this route too often.
        """
        rate = live.route.limits.rate
        if rate is None:
            return
        who = live.api, live.method, live.path.text, client_of(request.client)
        wait_s = self._rates.take(who, requests=rate.requests, per_s=rate.per_s)
        if wait_s > 0:
            detail = f"at most {rate.requests} requests in {rate.per_s:g} s"
            after = ("retry-after", str(math.ceil(wait_s)))
            raise RequestError(429, "too-many-requests", detail, (after,))
