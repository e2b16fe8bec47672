"""The binding `http-handler`: requests as a component's own HTTP handler takes them."""

from typing import Final

import rib
from actors.stored_bodies import StoredBody
from gateway.errors import RequestError
from gateway.incoming import Incoming
from gateway.responses import Response
from gateway.workers import Workers
from wit.types import RecordType
from wit.values import Value, some

__all__ = [
    "HANDLER_INTERFACE",
    "REQUEST_INPUT",
    "WORKER_INPUT",
    "as_request",
    "as_response",
    "takes_stored",
]

HANDLER_INTERFACE: Final = "wasi:http/incoming-handler"
# The inputs of the program that calls a handler.
REQUEST_INPUT: Final = "http"
WORKER_INPUT: Final = "worker"
_BODY_AT: Final = "body-at"

# What belongs to the connection, and the host, which goes as the authority.
_HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def takes_stored(program: rib.Program) -> bool:
    """Whether the program passes on bodies that lie elsewhere; one of an older version does not."""
    (type_,) = (each.type for each in program.inputs if each.name == REQUEST_INPUT)
    return isinstance(type_, RecordType) and any(each.name == _BODY_AT for each in type_.fields)


def as_request(request: Incoming, body: bytes, at: StoredBody | None = None) -> Value:
    """Return the record that the handler of a component takes; the body is in it, or lies `at`."""
    headers = [pair for pair in request.fields if pair[0] not in _HOP_BY_HOP]
    return {
        "method": request.method,
        "path-with-query": some(request.target),
        "scheme": some(request.scheme),
        "authority": some(request.host) if request.host else None,
        "headers": some(headers),
        "body": some(body) if body else None,
        "trailers": None,
        _BODY_AT: None if at is None else some(at.value),
        "stores-body": some(True),
    }


def as_response(value: Value, workers: Workers) -> Response:
    """Return the response that a handler gave; a body that lies elsewhere is sent as it is read.

    Raises:
        RequestError: 502, it gave an error.
    """
    case, answer = value
    if case == "err":
        raise RequestError(502, "worker-failed", f"the component's handler answers {answer!r}")
    headers = tuple(
        (name.lower(), text)
        for name, text in answer["headers"]
        if name.lower() not in _HOP_BY_HOP and name.lower() != "content-length"
    )
    at = answer.get(_BODY_AT)
    if at is None:
        return Response(int(answer["status"]), headers, bytes(answer["body"]))
    body = StoredBody.of(at[0])
    headers += (("content-length", str(body.size)),)
    return Response(int(answer["status"]), headers, workers.stored_body(body))
