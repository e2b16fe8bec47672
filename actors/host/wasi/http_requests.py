"""`wasi:http/types`, requests and their options, and `wasi:http/outgoing-handler`."""

from typing import Any

from actors.host.context import HostContext
from actors.host.http.errors import HttpError
from actors.host.http.exchange import Exchange, may_begin
from actors.host.http.fields import Fields
from actors.host.http.futures import FutureIncomingResponse
from actors.host.http.messages import (
    IncomingRequest,
    OutgoingRequest,
    OutgoingResponse,
    RequestOptions,
)
from actors.host.http.stored import next_spool
from actors.host.interface import HostInterface, Kind
from actors.host.wasi.http_fields import TYPES, count_message
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value, err, ok, some

__all__ = ["OUTGOING_HANDLER", "TYPES"]

OUTGOING_HANDLER = HostInterface("wasi:http/outgoing-handler", version=WASI_VERSION)


def _option(value: Value) -> Value:
    return None if value is None else some(value)


def _payload(option: Value) -> Value:
    return None if option is None else option[0]


@OUTGOING_HANDLER.function("handle", Kind.PURE, records=Kind.WRITE_REMOTE_BATCHED)
def handle(context: HostContext, request: OutgoingRequest, options: Value) -> Value:
    """Begin an exchange."""
    # There are never many of them.
    request.share.give_back(context)
    chosen: RequestOptions = _payload(options) or RequestOptions()
    try:
        make_request = request.checked(chosen.timeouts())
    except HttpError as error:
        return _refused(context, request, error.code)
    share = may_begin(context)
    if share is None:
        return _refused(context, request, ("connection-limit-reached", None))
    return ok(FutureIncomingResponse(Exchange(context, share, request.digest(), make_request)))


def _refused(context: HostContext, request: OutgoingRequest, code: Value) -> Value:
    if request.body is not None:
        request.body.over(context)
    return err(code)


@TYPES.function("[constructor]outgoing-request", Kind.PURE)
def new_outgoing_request(context: HostContext, headers: Fields) -> OutgoingRequest:
    """Return a request with these headers."""
    request = OutgoingRequest(headers)
    count_message(context, request.share)
    return request


@TYPES.function("[method]outgoing-request.body", Kind.PURE)
@TYPES.function("[method]outgoing-response.body", Kind.PURE)
def open_body(context: HostContext, message: OutgoingRequest | OutgoingResponse) -> Value:
    """Return the body, once."""
    if isinstance(message, OutgoingResponse):
        body = message.open_body(lambda: next_spool(context))
    else:
        body = message.open_body()
    return err() if body is None else ok(body)


@TYPES.function("[method]outgoing-request.method", Kind.PURE)
@TYPES.function("[method]incoming-request.method", Kind.PURE)
def method(context: HostContext, request: OutgoingRequest | IncomingRequest) -> Value:
    """Return the method."""
    del context
    return request.method


@TYPES.function("[method]outgoing-request.set-method", Kind.PURE)
def set_method(context: HostContext, request: OutgoingRequest, value: Value) -> Value:
    """Set the method."""
    del context
    return ok() if request.set_method(value) else err()


@TYPES.function("[method]outgoing-request.path-with-query", Kind.PURE)
@TYPES.function("[method]incoming-request.path-with-query", Kind.PURE)
def path_with_query(context: HostContext, request: OutgoingRequest | IncomingRequest) -> Value:
    """Return path and query."""
    del context
    return _option(request.path)


@TYPES.function("[method]outgoing-request.set-path-with-query", Kind.PURE)
def set_path_with_query(context: HostContext, request: OutgoingRequest, value: Value) -> Value:
    """Set path and query."""
    del context
    return ok() if request.set_path(_payload(value)) else err()


@TYPES.function("[method]outgoing-request.scheme", Kind.PURE)
@TYPES.function("[method]incoming-request.scheme", Kind.PURE)
def scheme(context: HostContext, request: OutgoingRequest | IncomingRequest) -> Value:
    """Return the scheme."""
    del context
    return request.scheme


@TYPES.function("[method]outgoing-request.set-scheme", Kind.PURE)
def set_scheme(context: HostContext, request: OutgoingRequest, value: Value) -> Value:
    """Set the scheme."""
    del context
    return ok() if request.set_scheme(value) else err()


@TYPES.function("[method]outgoing-request.authority", Kind.PURE)
@TYPES.function("[method]incoming-request.authority", Kind.PURE)
def authority(context: HostContext, request: OutgoingRequest | IncomingRequest) -> Value:
    """Return host and port."""
    del context
    return _option(request.authority)


@TYPES.function("[method]outgoing-request.set-authority", Kind.PURE)
def set_authority(context: HostContext, request: OutgoingRequest, value: Value) -> Value:
    """Set host and port."""
    del context
    return ok() if request.set_authority(_payload(value)) else err()


@TYPES.function("[method]outgoing-request.headers", Kind.PURE)
@TYPES.function("[method]incoming-request.headers", Kind.PURE)
@TYPES.function("[method]incoming-response.headers", Kind.PURE)
@TYPES.function("[method]outgoing-response.headers", Kind.PURE)
def headers(context: HostContext, message: Any) -> Fields:
    """Return the headers, not to be changed."""
    del context
    found: Fields = message.headers
    return found


@TYPES.function("[constructor]request-options", Kind.PURE)
def new_request_options(context: HostContext) -> RequestOptions:
    """Return options without any set."""
    del context
    return RequestOptions()


@TYPES.function("[method]request-options.connect-timeout", Kind.PURE)
def connect_timeout(context: HostContext, options: RequestOptions) -> Value:
    """Return how long connecting may take."""
    del context
    return _option(options.connect_ns)


@TYPES.function("[method]request-options.set-connect-timeout", Kind.PURE)
def set_connect_timeout(context: HostContext, options: RequestOptions, duration: Value) -> Value:
    """Say how long connecting may take."""
    del context
    options.connect_ns = _payload(duration)
    return ok()


@TYPES.function("[method]request-options.first-byte-timeout", Kind.PURE)
def first_byte_timeout(context: HostContext, options: RequestOptions) -> Value:
    """Return how long the response may take."""
    del context
    return _option(options.first_byte_ns)


@TYPES.function("[method]request-options.set-first-byte-timeout", Kind.PURE)
def set_first_byte_timeout(context: HostContext, options: RequestOptions, duration: Value) -> Value:
    """Say how long the response may take."""
    del context
    options.first_byte_ns = _payload(duration)
    return ok()


@TYPES.function("[method]request-options.between-bytes-timeout", Kind.PURE)
def between_bytes_timeout(context: HostContext, options: RequestOptions) -> Value:
    """Return how long a body may stop."""
    del context
    return _option(options.between_bytes_ns)


@TYPES.function("[method]request-options.set-between-bytes-timeout", Kind.PURE)
def set_between_bytes_timeout(
    context: HostContext, options: RequestOptions, duration: Value
) -> Value:
    """Say how long a body may stop."""
    del context
    options.between_bytes_ns = _payload(duration)
    return ok()
