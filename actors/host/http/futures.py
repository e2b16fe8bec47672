"""What a guest waits for: the response, and the trailers after its body."""

from typing import final

from actors.host.context import HostContext
from actors.host.http.exchange import (
    EXCHANGE_REFUSED,
    Exchange,
    ExchangeReady,
    head_has_news,
    trailers_have_news,
)
from actors.host.http.fields import Fields
from actors.host.http.messages import IncomingBody, IncomingResponse
from actors.host.pollable import Always, Pollable
from actors.host.saving import refuses, saveable
from wit.values import Value, err, ok, some

__all__ = ["FutureIncomingResponse", "FutureTrailers"]


@refuses(EXCHANGE_REFUSED)
@final
class FutureIncomingResponse:
    """The resource `future-incoming-response`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._is_taken = False

    def subscribe(self) -> Pollable:
        """Return what becomes ready with the response or an error."""
        return ExchangeReady(self._exchange, head_has_news)

    async def get(self, context: HostContext) -> Value:
        """Return none as long as there is nothing; the outcome once; an empty error after that."""
        if self._is_taken:
            return some(err())
        observed = await self._exchange.head(context)
        if observed is None:
            return None
        self._is_taken = True
        (outcome,) = observed
        if outcome[0] == "err":
            return some(ok(outcome))
        head = outcome[1]
        return some(ok(ok(IncomingResponse(self._exchange, head["status"], head["headers"]))))

    def close(self) -> None:
        """The guest dropped its handle: without the response nobody reads the connection."""
        if not self._is_taken:
            self._exchange.close()


@saveable("http/future-trailers", "_exchange", "_received", "_is_taken")
@final
class FutureTrailers:
    """The resource `future-trailers`."""

    def __init__(self, body: IncomingBody) -> None:
        self._exchange = body.exchange
        self._received = body.trailers
        self._is_taken = False

    def subscribe(self) -> Pollable:
        """Return what becomes ready at the end of the body."""
        if self._exchange is None or self._exchange.has_trailers:
            return Always()
        return ExchangeReady(self._exchange, trailers_have_news)

    async def get(self, context: HostContext) -> Value:
        """Return none as long as there is nothing; the outcome once; an empty error after that."""
        if self._is_taken:
            return some(err())
        if self._exchange is None:
            observed = some(ok(some(self._received) if self._received else None))
        else:
            observed = await self._exchange.trailers(context)
        if observed is None:
            return None
        self._is_taken = True
        (outcome,) = observed
        if outcome[0] == "err" or outcome[1] is None:
            return some(ok(outcome))
        return some(ok(ok(some(Fields(outcome[1][0], is_immutable=True)))))

    def close(self) -> None:
        """The guest dropped its handle."""
        if self._exchange is not None:
            self._exchange.close()
