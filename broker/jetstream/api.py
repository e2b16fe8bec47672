"""JetStream's JSON API: requests, answers, and its errors as ours."""

from typing import Final, NoReturn, TypeVar, final

import msgspec
from msgspec import Struct

from broker.errors import (
    BrokerError,
    InternalError,
    NotFoundError,
    SetupError,
    TerminalError,
    TooLargeError,
    UnavailableError,
)
from broker.jetstream.limits import API_TIMEOUT_S
from broker.jetstream.retry import Backoff, Patience
from broker.jetstream.wire import Wire

__all__ = [
    "CONSUMER_NOT_FOUND",
    "IN_FLIGHT_COLLISION",
    "MESSAGE_NOT_FOUND",
    "SEQUENCE_NOT_FOUND",
    "STREAM_NOT_FOUND",
    "WRONG_LAST_SEQUENCE",
    "ApiError",
    "ApiFailure",
    "JetStreamApi",
    "PubAck",
    "is_retryable",
    "raise_for",
]

CONSUMER_NOT_FOUND: Final = 10014
MESSAGE_NOT_FOUND: Final = 10037
SEQUENCE_NOT_FOUND: Final = 10043
STREAM_NOT_FOUND: Final = 10059
WRONG_LAST_SEQUENCE: Final = 10071
IN_FLIGHT_COLLISION: Final = 10164

_TOO_LARGE: Final = 10054
_NOT_ENABLED: Final = frozenset({10035, 10039, 10076})
# Cluster not available, insufficient resources, stream store failed, no leader yet, the same
# message is on its way through the replicas.
_RETRYABLE: Final = frozenset({10008, 10009, 10023, 10077, 10118, 10158})

T = TypeVar("T")


class ApiError(Struct, frozen=True):
    """What JetStream says went wrong."""

    code: int = 0
    err_code: int = 0
    description: str = ""


class PubAck(Struct, frozen=True):
    """The answer to a publish into a stream."""

    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    error: ApiError | None = None


class _Envelope(Struct, frozen=True):
    error: ApiError | None = None


class ApiFailure(TerminalError):  # noqa: N818  # ApiError is the broker's own word for the payload
    """An error answer that has no meaning of its own in our ports."""

    def __init__(self, message: str, *, error: ApiError) -> None:
        super().__init__(message)
        self.error = error


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


@final
class JetStreamApi:
    """Sends requests to `$JS.API.…` and decodes the answers."""

    def __init__(self, wire: Wire, prefix: str) -> None:
        self.wire = wire
        self.prefix = prefix

    async def call(
        self,
        operation: str,
        body: object,
        answer: type[T],
        *,
        timeout_s: float = API_TIMEOUT_S,
        retries: int = 0,
        patience_s: float | None = None,
    ) -> T:
        """Ask once, up to `retries` times more, or for `patience_s` while none is available.

        Raises:
            ApiFailure: the server refused; `error` says how.
        """
        if patience_s is not None:
            return await self._call_patiently(operation, body, answer, timeout_s, patience_s)
        backoff = Backoff()
        while True:
            try:
                return await self._call_once(operation, body, answer, timeout_s)
            except UnavailableError:
                if backoff.attempts >= retries:
                    raise
            await backoff.wait()

    async def _call_patiently(
        self, operation: str, body: object, answer: type[T], timeout_s: float, patience_s: float
    ) -> T:
        patience = Patience(patience_s)
        while True:
            try:
                return await self._call_once(operation, body, answer, timeout_s)
            except UnavailableError as error:
                if self.wire.is_closed:
                    raise
                problem = error
            await patience.wait(problem)

    async def _call_once(
        self, operation: str, body: object, answer: type[T], timeout_s: float
    ) -> T:
        data = b"" if body is None else msgspec.json.encode(body)
        message = await self.wire.request(self.prefix + operation, data, timeout_s=timeout_s)
        try:
            error = _ENVELOPE.decode(message.data).error
            decoded = msgspec.json.decode(message.data, type=answer) if error is None else None
        except msgspec.DecodeError as problem:
            raise InternalError(
                f"JetStream answered {operation!r} with what we cannot read: {problem}"
            ) from problem
        if decoded is None:
            raise_for(error or ApiError(), operation)
        return decoded


def is_missing_stream(error: Exception) -> bool:
    """Say whether an error is that there is no such stream."""
    return f"(JetStream {STREAM_NOT_FOUND})" in str(error)


def is_retryable(error: ApiError) -> bool:
    """Say whether the same request may succeed later."""
    return error.code == 503 or error.err_code in _RETRYABLE


def raise_for(error: ApiError, what: str) -> NoReturn:
    """Raise our error for one of JetStream's; `what` names the request."""
    raise _ours(error, what)


def _ours(error: ApiError, what: str) -> BrokerError:
    text = f"{what}: {error.description} (JetStream {error.err_code})"
    if is_retryable(error):
        return UnavailableError(text)
    if error.err_code in _NOT_ENABLED:
        return SetupError(f"{text}: enable JetStream on the server and for this account")
    if error.err_code == MESSAGE_NOT_FOUND:
        return NotFoundError(text)
    if error.err_code == STREAM_NOT_FOUND:
        return SetupError(f"{text}: the stream is gone; restore a backup or set up anew")
    if error.err_code == _TOO_LARGE:
        return TooLargeError(text)
    return ApiFailure(text, error=error)
