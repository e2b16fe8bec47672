"""`wasi:http/types`, responses and bodies."""

from typing import Any

from actors.host.context import HostContext
from actors.host.http.bodies import BodySink, OutgoingBody
from actors.host.http.errors import HttpError
from actors.host.http.fields import Fields
from actors.host.http.futures import FutureIncomingResponse, FutureTrailers
from actors.host.http.messages import (
    IncomingBody,
    IncomingResponse,
    OutgoingRequest,
    OutgoingResponse,
    ResponseOutparam,
)
from actors.host.interface import Kind
from actors.host.pollable import Pollable
from actors.host.wasi.http_fields import TYPES, count_message
from wit.values import Value, err, ok

__all__ = ["TYPES"]


@TYPES.function("[method]incoming-response.status", Kind.PURE)
def incoming_status(context: HostContext, response: IncomingResponse) -> int:
    """Return the status."""
    del context
    return response.status


@TYPES.function("[method]incoming-response.consume", Kind.PURE)
@TYPES.function("[method]incoming-request.consume", Kind.PURE)
def consume(context: HostContext, message: Any) -> Value:
    """Return the body, once."""
    del context
    body = message.consume()
    return err() if body is None else ok(body)


@TYPES.function("[method]incoming-body.stream", Kind.PURE)
def stream(context: HostContext, body: IncomingBody) -> Value:
    """Return the bytes, once."""
    del context
    source = body.open_stream()
    return err() if source is None else ok(source)


@TYPES.function("[static]incoming-body.finish", Kind.PURE)
def finish_incoming(context: HostContext, body: IncomingBody) -> FutureTrailers:
    """Give up what was not read, for the trailers."""
    del context
    body.finish()
    return FutureTrailers(body)


@TYPES.function("[method]future-trailers.subscribe", Kind.PURE)
@TYPES.function("[method]future-incoming-response.subscribe", Kind.PURE)
def subscribe(context: HostContext, future: FutureTrailers | FutureIncomingResponse) -> Pollable:
    """Return what becomes ready when `get` has something."""
    del context
    return future.subscribe()


@TYPES.function(
    "[method]future-trailers.get", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE_BATCHED
)
@TYPES.function(
    "[method]future-incoming-response.get",
    Kind.PURE,
    blocking=True,
    records=Kind.WRITE_REMOTE_BATCHED,
)
async def get(context: HostContext, future: FutureTrailers | FutureIncomingResponse) -> Value:
    """Return what has come, once."""
    return await future.get(context)


@TYPES.function("[constructor]outgoing-response", Kind.PURE)
def new_outgoing_response(context: HostContext, headers: Fields) -> OutgoingResponse:
    """Return a response with these headers and status 200."""
    response = OutgoingResponse(headers)
    count_message(context, response.share)
    return response


@TYPES.function("[method]outgoing-response.status-code", Kind.PURE)
def outgoing_status(context: HostContext, response: OutgoingResponse) -> int:
    """Return the status."""
    del context
    return response.status


@TYPES.function("[method]outgoing-response.set-status-code", Kind.PURE)
def set_outgoing_status(context: HostContext, response: OutgoingResponse, status: int) -> Value:
    """Set the status; interim ones are not the guest's to send."""
    del context
    if status not in range(200, 600):
        return err()
    response.status = status
    return ok()


@TYPES.function("[static]response-outparam.set", Kind.PURE)
def set_response(context: HostContext, outparam: ResponseOutparam, response: Value) -> None:
    """Answer the request."""
    if response[0] == "ok":
        response[1].share.give_back(context)
    outparam.set(response)


@TYPES.function("[method]outgoing-body.write", Kind.PURE)
def write(context: HostContext, body: OutgoingBody) -> Value:
    """Return the stream to write the body with, once."""
    del context
    if body.is_written:
        return err()
    body.is_written = True
    return ok(BodySink(body))


@TYPES.function("[static]outgoing-body.finish", Kind.PURE)
def finish_outgoing(context: HostContext, body: OutgoingBody, trailers: Value) -> Value:
    """Say that the body is complete."""
    fields: Fields | None = None if trailers is None else trailers[0]
    if fields is not None:
        body.take_over(fields.share)
    try:
        body.finish(fields.entries() if fields else [])
    except HttpError as error:
        return err(error.code)
    finally:
        body.let_go(context)
    return ok()


@TYPES.drop("outgoing-body")
def drop_body(context: HostContext, body: OutgoingBody) -> None:
    """Give up a body that is not complete."""
    body.close()
    body.let_go(context)


@TYPES.drop("outgoing-request")
@TYPES.drop("outgoing-response")
def drop_message(context: HostContext, message: OutgoingRequest | OutgoingResponse) -> None:
    """Give up a message that was never sent."""
    message.share.give_back(context)
    if message.body is not None:
        message.body.over(context)


@TYPES.drop("incoming-body")
@TYPES.drop("incoming-response")
@TYPES.drop("future-trailers")
@TYPES.drop("future-incoming-response")
def drop(context: HostContext, resource: Any) -> None:
    """Let go of the connection where nobody needs it any more."""
    del context
    resource.close()
