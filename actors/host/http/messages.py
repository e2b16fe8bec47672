"""Requests and responses as guests build and read them."""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, final

from msgspec import Raw, Struct

from actors.host.buffered import Share
from actors.host.http.bodies import OutgoingBody
from actors.host.http.errors import HttpError, simple
from actors.host.http.exchange import EXCHANGE_REFUSED, BodySource, Exchange
from actors.host.http.fetch import Request, Timeouts
from actors.host.http.fields import FieldList, Fields
from actors.host.http.limits import TARGET_BYTES_MAX, WORD_BYTES_MAX
from actors.host.http.stored import Spool, StoredSource
from actors.host.saving import refuses, saveable
from actors.host.streams import BytesSource, InputSource
from actors.stored_bodies import StoredBody
from wit.values import Value

__all__ = [
    "IncomingBody",
    "IncomingRequest",
    "IncomingResponse",
    "OutgoingRequest",
    "OutgoingResponse",
    "RequestOptions",
    "ResponseOutparam",
]

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_TARGET: Final = re.compile(r"[!-~]*")
_AUTHORITY: Final = re.compile(
    r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::([0-9]{0,5}))?"
)


@saveable(
    "http/outgoing-request", "headers", "method", "path", "scheme", "authority", "body", "share"
)
@final
class OutgoingRequest:
    """The resource `outgoing-request`."""

    def __init__(self, headers: Fields) -> None:
        self.headers = headers.frozen()
        self.share = Share()
        headers.share.move_to(self.share)
        self.method: Value = ("get", None)
        self.path: str | None = None
        self.scheme: Value = None
        self.authority: str | None = None
        self.body: OutgoingBody | None = None

    def set_method(self, method: Value) -> bool:
        """Set it; False if it is none."""
        if method[0] == "other" and not _is_word(_TOKEN, method[1]):
            return False
        self.method = method
        return True

    def set_scheme(self, scheme: Value) -> bool:
        """Set it; False if it is none."""
        if scheme and scheme[0][0] == "other" and not _is_word(_SCHEME, scheme[0][1]):
            return False
        self.scheme = scheme
        return True

    def set_path(self, path: str | None) -> bool:
        """Set path and query; False if they are malformed."""
        if path and (len(path) > TARGET_BYTES_MAX or not _TARGET.fullmatch(path)):
            return False
        self.path = path
        return True

    def set_authority(self, authority: str | None) -> bool:
        """Set host and port; False if they are malformed."""
        if authority is not None and not _is_authority(authority):
            return False
        self.authority = authority
        return True

    def open_body(self) -> OutgoingBody | None:
        """Return the body, once."""
        if self.body is not None:
            return None
        self.body = OutgoingBody(_promised_length(self.headers))
        return self.body

    def digest(self) -> Raw:
        """Return what tells this request from others, its body left out, as a JSON string."""
        parts = [repr(self.method), repr(self.scheme), self.authority or "", self.path or ""]
        parts += [f"{name}: {value!r}" for name, value in self.headers.entries()]
        return Raw(b'"%b"' % sha256("\n".join(parts).encode()).hexdigest().encode())

    def checked(self, timeouts: Timeouts) -> Callable[[str], Request]:
        """Return how to make the request, given its idempotency key.

        Raises:
            HttpError: it cannot be sent.
        """
        scheme = self.scheme[0][0] if self.scheme else "HTTPS"
        if scheme not in {"HTTP", "HTTPS"} or self.authority is None:
            raise simple("HTTP-request-URI-invalid")
        matched = _AUTHORITY.fullmatch(self.authority)
        assert matched is not None
        is_secure = scheme == "HTTPS"
        method = self.method[1] if self.method[0] == "other" else self.method[0].upper()
        target = self.path or "/"
        if not target.startswith("/") and not (method == "OPTIONS" and target == "*"):
            target = f"/{target}"
        headers: FieldList = [("host", self.authority.encode()), ("connection", b"close")]
        headers += self.headers.entries()

        def make(key: str) -> Request:
            if not self.headers.get("idempotency-key"):
                headers.append(("idempotency-key", key.encode()))
            return Request(
                method=method,
                is_secure=is_secure,
                host=matched[1].strip("[]"),
                port=int(matched[2] or (443 if is_secure else 80)),
                target=target,
                headers=headers,
                body=self.body,
                timeouts=timeouts,
            )

        return make


@saveable("http/request-options", "connect_ns", "first_byte_ns", "between_bytes_ns")
@final
class RequestOptions:
    """The resource `request-options`; nanoseconds, None for the host's choice."""

    def __init__(self) -> None:
        self.connect_ns: int | None = None
        self.first_byte_ns: int | None = None
        self.between_bytes_ns: int | None = None

    def timeouts(self) -> Timeouts:
        """Return them in seconds, with the defaults filled in."""
        default = Timeouts()
        return Timeouts(
            connect_s=_seconds(self.connect_ns, default.connect_s),
            first_byte_s=_seconds(self.first_byte_ns, default.first_byte_s),
            between_bytes_s=_seconds(self.between_bytes_ns, default.between_bytes_s),
        )


@saveable("http/incoming-body", "exchange", "trailers", "_source", "_is_finished")
@final
class IncomingBody:
    """The resource `incoming-body`, over a response that comes or over a request that is here."""

    def __init__(self, exchange: Exchange | None, source: InputSource, trailers: FieldList) -> None:
        self.exchange = exchange
        self.trailers = trailers
        self._source: InputSource | None = source
        self._is_finished = False

    def open_stream(self) -> InputSource | None:
        """Return the stream, once."""
        source, self._source = self._source, None
        return source

    def finish(self) -> None:
        """The guest goes on to the trailers, which keep the connection."""
        self._is_finished = True

    def close(self) -> None:
        """The guest dropped its handle, without interest in the trailers unless it finished."""
        if self.exchange is not None and not self._is_finished:
            self.exchange.close()


@refuses(EXCHANGE_REFUSED)
@final
class IncomingResponse:
    """The resource `incoming-response`."""

    def __init__(self, exchange: Exchange, status: int, headers: FieldList) -> None:
        self.status = status
        self.headers = Fields(headers, is_immutable=True)
        self._exchange = exchange
        self._is_consumed = False

    def consume(self) -> IncomingBody | None:
        """Return the body, once."""
        if self._is_consumed:
            return None
        self._is_consumed = True
        return IncomingBody(self._exchange, BodySource(self._exchange), [])

    def close(self) -> None:
        """The guest dropped its handle."""
        if not self._is_consumed:
            self._exchange.close()


@saveable(
    "http/incoming-request",
    "method",
    "path",
    "scheme",
    "authority",
    "headers",
    "_body",
    "_trailers",
    "_is_consumed",
)
@final
class IncomingRequest:
    """The resource `incoming-request`: a request to the worker, complete from the start."""

    def __init__(
        self,
        *,
        method: Value,
        path: str | None,
        scheme: Value,
        authority: str | None,
        headers: FieldList,
        body: bytes | StoredBody,
        trailers: FieldList | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.scheme = scheme
        self.authority = authority
        self.headers = Fields(headers, is_immutable=True)
        self._body = body
        self._trailers = trailers or []
        self._is_consumed = False

    def consume(self) -> IncomingBody | None:
        """Return the body, once."""
        if self._is_consumed:
            return None
        self._is_consumed = True
        body = self._body
        source = StoredSource(body) if isinstance(body, StoredBody) else BytesSource(body)
        return IncomingBody(None, source, self._trailers)


@saveable("http/outgoing-response", "headers", "status", "body", "share")
@final
class OutgoingResponse:
    """The resource `outgoing-response`."""

    def __init__(self, headers: Fields) -> None:
        self.headers = headers.frozen()
        self.share = Share()
        headers.share.move_to(self.share)
        self.status = 200
        self.body: OutgoingBody | None = None

    def open_body(self, spool: Callable[[], Spool | None]) -> OutgoingBody | None:
        """Return the body, once; `spool` makes what it goes to, if it is not to stay in memory."""
        if self.body is not None:
            return None
        self.body = OutgoingBody(_promised_length(self.headers), spool())
        return self.body


@saveable("http/response-outparam", "_answer")
@final
class ResponseOutparam:
    """The resource `response-outparam`: where a worker puts its answer to an `IncomingRequest`."""

    def __init__(self) -> None:
        self._answer: Any = None

    def set(self, answer: Value) -> None:
        """Take the answer."""
        self._answer = answer

    def response(self) -> "ReceivedResponse":
        """Return the answer, after the guest has returned.

        Raises:
            HttpError: the guest set none, set an error, or gave up its body half way.
        """
        if self._answer is None:
            raise simple("HTTP-response-incomplete")
        kind, answer = self._answer
        if kind == "err":
            raise HttpError(answer)
        assert isinstance(answer, OutgoingResponse)
        body = answer.body
        if body is not None and not body.is_finished:
            raise simple("HTTP-response-incomplete")
        return ReceivedResponse(
            status=answer.status,
            headers=answer.headers.entries(),
            body=body,
            trailers=body.trailers if body else [],
        )


class ReceivedResponse(Struct, frozen=True):
    """What a worker answered."""

    status: int
    headers: FieldList
    body: OutgoingBody | None
    trailers: FieldList


def _is_word(form: re.Pattern[str], text: str) -> bool:
    return len(text) <= WORD_BYTES_MAX and form.fullmatch(text) is not None


def _is_authority(text: str) -> bool:
    matched = _AUTHORITY.fullmatch(text) if len(text) <= WORD_BYTES_MAX else None
    return matched is not None and int(matched[2] or 1) in range(1, 65536)


def _promised_length(headers: Fields) -> int | None:
    lengths = headers.get("content-length")
    if not lengths:
        return None
    return int(lengths[0]) if re.fullmatch(rb"[0-9]{1,18}", lengths[0]) else None


def _seconds(nanoseconds: int | None, default: float) -> float:
    return default if nanoseconds is None else nanoseconds / 1e9
