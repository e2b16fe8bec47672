"""Errors of HTTP as documents that programs read: RFC 9457, `application/problem+json`."""

from http import HTTPStatus
from typing import Final

import msgspec

from gateway.errors import RequestError
from gateway.responses import Response

__all__ = ["problem"]

_TYPE: Final = "urn:shem:problem:"


def problem(error: RequestError, *, instance: str = "") -> Response:
    """Return the response for an error. `instance` names this occurrence in the log."""
    body: dict[str, object] = {
        "type": f"{_TYPE}{error.kind}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
    }
    if instance:
        body["instance"] = f"urn:uuid:{instance}"
    headers = (("content-type", "application/problem+json"), *error.headers)
    return Response(error.status, headers, msgspec.json.encode(body))
