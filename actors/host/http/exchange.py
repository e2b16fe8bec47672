"""An exchange that survives a crash of its worker.

An exchange is one batched remote write, from the request to the end of the response's body, or to
where the guest lets go of it. What the guest observes is recorded piece by piece: whether the
response was there, its status and headers, each piece of its body, the trailers. Replay gives it
the same pieces without a connection. Where the log ends in the middle, the guest is live from the
request on, which is sent again with the same idempotency key. Nothing is sent before everything
that led to it is committed.

A guest may keep a response beyond the invocation, where no batch reaches. Then the response to the
repeated request must repeat what the guest has seen; if it does not, the guest is told that the
connection broke, which it has to be ready for anyway.
"""

from collections.abc import Callable
from typing import Final, TypeAlias, final
from weakref import WeakSet

from msgspec import Raw

from actors.host.buffered import Share
from actors.host.context import HostContext, OutgoingSpan
from actors.host.http.errors import ERROR_CODE
from actors.host.http.fetch import Delivered, Fetch, Request
from actors.host.http.limits import EXCHANGES_MAX, RECEIVE_BUFFER_BYTES_MAX
from actors.host.interface import Kind
from actors.host.pollable import Pollable
from actors.host.saving import StateKey, refuses
from actors.host.streams import CLOSED, InputSource, IoError, failed
from wit.types import (
    Case,
    Field,
    ListType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    VariantType,
)
from wit.values import Value, err, ok, some

__all__ = [
    "EXCHANGE_REFUSED",
    "BodySource",
    "Exchange",
    "ExchangeReady",
    "Observed",
    "head_has_news",
    "may_begin",
    "trailers_have_news",
]

Observed: TypeAlias = Callable[[Fetch], bool]

_BYTES: Final = ListType(Primitive.U8)
_FIELDS: Final = ListType(TupleType((Primitive.STRING, _BYTES)))
_HEAD: Final = RecordType((Field("status", Primitive.U16), Field("headers", _FIELDS)))
_HEAD_RESULT: Final = OptionType(ResultType(_HEAD, ERROR_CODE))
_END: Final = VariantType((Case("closed"), Case("failed", ERROR_CODE)))
_PIECE_RESULT: Final = ResultType(_BYTES, _END)
_TRAILERS_RESULT: Final = OptionType(ResultType(OptionType(_FIELDS), ERROR_CODE))
# Connections that no handle leads to are of no use to anybody.
_OPEN: Final = StateKey("http/connections", is_transient=True)
_COUNT: Final = StateKey("http/exchanges")
EXCHANGE_REFUSED: Final = "its connection exists in this process alone"
_CALL: Final = "wasi:http/outgoing-handler#handle"
_NAME: Final = f"{_CALL}."
_KIND: Final = Kind.WRITE_REMOTE_BATCHED


@refuses(EXCHANGE_REFUSED)
@final
class Exchange:
    """A request with what is known of its response. `content` is a digest of what is asked."""

    def __init__(
        self,
        context: HostContext,
        share: Share,
        content: Raw,
        make_request: Callable[[str], Request],
    ) -> None:
        self._context = context
        self._fetch: Fetch | None = None
        self._delivered = Delivered()
        self._begin = context.begin_batch(_CALL)
        _count(context, 1)
        self._share = share
        self._is_over = False
        self._has_ended_body = False
        self._trailers: Value = None
        self._span: OutgoingSpan | None = None
        # At replay the log may well hold all of the response: then nothing is ever sent.
        self._is_recovered = True

        def new_key() -> str:
            self._is_recovered = False
            return context.request_key(f"{_NAME}key", content, self._begin)

        key = context.record(
            f"{_NAME}key", _KIND, Primitive.STRING, new_key, begin=self._begin, request=content
        )
        self._request = make_request(key)
        if not self._is_recovered:
            self.fetch()

    def fetch(self) -> Fetch:
        """Return the connection, made now if there is none. Only for what is not replayed."""
        if self._fetch is None:
            request = self._request
            target = f"{request.host}:{request.port}"
            self._span = self._context.outgoing_span(request.method, target, self._begin)
            self._fetch = Fetch(
                request.with_headers(self._span.headers), self._context.committed, self._delivered
            )
            _open_fetches(self._context).add(self._fetch)
        return self._fetch

    async def head(self, context: HostContext) -> Value:
        """Observe: none yet, or the result of head or error code."""

        async def look() -> Value:
            fetch = await self._fetch_as_seen(head_has_news)
            if fetch.head is not None:
                return some(ok({"status": fetch.head.status, "headers": fetch.head.headers}))
            return None if fetch.error is None else some(err(fetch.error))

        observed = await context.record_wait(
            f"{_NAME}response", _KIND, _HEAD_RESULT, look, begin=self._begin
        )
        if observed is not None and observed[0][0] == "err":
            self._end(error=observed[0][1][0])
        elif observed is not None and self._span is not None:
            self._span.answered(observed[0][1]["status"])
        return observed

    def read(self, context: HostContext, length: int) -> Value:
        """Observe a piece of the body: bytes (none: not yet), or that it ended."""
        if self._has_ended_body:
            return CLOSED
        piece = context.record(
            f"{_NAME}body",
            _KIND,
            _PIECE_RESULT,
            lambda: self._look_at_body(length),
            begin=self._begin,
        )
        return self._taken(piece)

    async def wait_and_read(self, context: HostContext, length: int) -> Value:
        """Observe a piece of the body, as soon as there is one."""

        async def look() -> Value:
            await self.wait(body_has_news)
            return self._look_at_body(length)

        if self._has_ended_body:
            return CLOSED
        piece = await context.record_wait(
            f"{_NAME}body", _KIND, _PIECE_RESULT, look, begin=self._begin
        )
        return self._taken(piece)

    @property
    def has_trailers(self) -> bool:
        """Whether the trailers were observed, be there any or none."""
        return self._trailers is not None

    async def trailers(self, context: HostContext) -> Value:
        """Observe: none yet, or the result of trailers or error code."""

        async def look() -> Value:
            fetch = await self._fetch_as_seen(trailers_have_news)
            fetch.take(len(fetch.buffer))
            return _trailers_of(fetch)

        if self._trailers is None:
            self._trailers = await context.record_wait(
                f"{_NAME}trailers", _KIND, _TRAILERS_RESULT, look, begin=self._begin
            )
            if self._trailers is not None:
                self._end()
        return self._trailers

    async def wait(self, observed: Observed) -> None:
        """Wait until something can be observed of the connection."""
        fetch = self.fetch()
        while not observed(fetch):
            await fetch.change()

    def close(self) -> None:
        """The guest lets go of it: nobody can observe it any more."""
        self._end()
        if self._fetch is not None:
            self._fetch.close()

    def _end(self, *, error: str | None = None) -> None:
        if not self._is_over:
            self._is_over = True
            _count(self._context, -1)
            self._share.give_back(self._context)
            if self._request.body is not None:
                self._request.body.over(self._context)
            self._context.end_batch(self._begin)
            if self._span is not None:
                self._span.end(error)

    async def _fetch_as_seen(self, observed: Observed) -> Fetch:
        """Return the connection in a state not behind what the guest was told before a crash.

        The log may end after a poll that said "ready": the guest then rightly expects an answer, so
        a connection that had to be made again is given the time for it.
        """
        body = self._request.body
        if self._is_recovered and (body is None or body.is_finished or body.is_aborted):
            await self.wait(observed)
        return self.fetch()

    def _look_at_body(self, length: int) -> Value:
        fetch = self.fetch()
        if fetch.buffer:
            return ok(fetch.take(length))
        if fetch.error is not None:
            return err(("failed", fetch.error))
        return err(("closed", None)) if fetch.is_at_end else ok(b"")

    def _taken(self, piece: Value) -> Value:
        kind, content = piece
        if kind == "ok":
            self._delivered.add(content)
            return piece
        # What is known of the trailers now is all that there will be; the exchange ends here.
        self._has_ended_body = True
        self._trailers = self._context.record(
            f"{_NAME}trailers",
            _KIND,
            _TRAILERS_RESULT,
            lambda: None if self._fetch is None else _trailers_of(self._fetch),
            begin=self._begin,
        )
        case, code = content
        if case == "closed":
            self._end()
            return CLOSED
        self._end(error=code[0])
        return failed(IoError(f"the connection failed: {code[0]}", http_code=code))


def may_begin(context: HostContext) -> Share | None:
    """Return room for another exchange beside those that are not over, None if there is none."""
    count: int = context.state.get(_COUNT, 0)
    share = Share()
    has_room = count < EXCHANGES_MAX and share.take(context, RECEIVE_BUFFER_BYTES_MAX)
    return share if has_room else None


def _count(context: HostContext, change: int) -> None:
    context.state[_COUNT] = context.state.get(_COUNT, 0) + change


def _open_fetches(context: HostContext) -> "WeakSet[Fetch]":
    """Return what is cut when the worker's instance ends, however it ends."""
    known: WeakSet[Fetch] | None = context.state.get(_OPEN)
    if known is not None:
        return known
    fetches = WeakSet[Fetch]()
    context.state[_OPEN] = fetches
    context.on_close(lambda: _close_all(fetches))
    return fetches


def _close_all(fetches: "WeakSet[Fetch]") -> None:
    for fetch in list(fetches):
        fetch.close()


def _trailers_of(fetch: Fetch) -> Value:
    if fetch.error is not None:
        return some(err(fetch.error))
    if not fetch.is_at_end:
        return None
    return some(ok(some(fetch.trailers) if fetch.trailers else None))


def head_has_news(fetch: Fetch) -> bool:
    """Whether there is a response or an error."""
    return fetch.head is not None or fetch.error is not None


def body_has_news(fetch: Fetch) -> bool:
    """Whether there are bytes, or an end."""
    return bool(fetch.buffer) or fetch.is_over


def trailers_have_news(fetch: Fetch) -> bool:
    """Whether the body is over; what is left of it is dropped."""
    fetch.take(len(fetch.buffer))
    return fetch.is_over


@refuses(EXCHANGE_REFUSED)
@final
class ExchangeReady(Pollable):
    """Ready when something can be observed of an exchange."""

    def __init__(self, exchange: Exchange, observed: Observed) -> None:
        self._exchange = exchange
        self._observed = observed

    def ready(self, context: HostContext) -> bool:
        """Look."""
        del context
        return self._observed(self._exchange.fetch())

    async def wait(self, context: HostContext) -> None:
        """Wait."""
        del context
        await self._exchange.wait(self._observed)


@refuses(EXCHANGE_REFUSED)
@final
class BodySource(InputSource):
    """The stream of a response body."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def read(self, context: HostContext, length: int) -> Value:
        """Return what has come."""
        return self._exchange.read(context, length) if length else ok(b"")

    async def blocking_read(self, context: HostContext, length: int) -> Value:
        """Wait for something."""
        return await self._exchange.wait_and_read(context, length) if length else ok(b"")

    def subscribe(self, context: HostContext) -> Pollable:
        """Return what becomes ready when something comes."""
        del context
        return ExchangeReady(self._exchange, body_has_news)
