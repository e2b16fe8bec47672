"""Errors of the client as problems of HTTP: the kind stays, the status tells whose doing it is."""

from typing import Final

from gateway.errors import RequestError
from shem.errors import (
    BadRequestError,
    InvocationError,
    ResultTimeoutError,
    ShemError,
    UnavailableError,
)

__all__ = ["explain"]

_STATUS: Final = {
    "bad-request": 400,
    "bad-message": 400,
    "bad-index": 400,
    "bad-api": 400,
    "bad-component": 400,
    "bad-path": 404,
    "unknown-component": 404,
    "unknown-worker": 404,
    "unknown-api": 404,
    "unknown-promise": 404,
    "unknown-secret": 404,
    "unknown-token": 404,
    "unknown-scheme": 404,
    "unknown-invocation": 404,
    "purged": 410,
    "unknown-schedule": 404,
    "no-gateway": 404,
    "too-large": 413,
    "timeout": 504,
    "unavailable": 503,
    "bad-worker-name": 400,
}
# What cannot be done now, or not to this one: it exists, is in use, is of another kind.
_CONFLICT: Final = 409
_RETRY_AFTER: Final = (("retry-after", "1"),)


def explain(error: Exception) -> RequestError | None:
    """Return what an error means for whoever asked; None: it is a bug of ours."""
    if not isinstance(error, ShemError):
        return None
    kind, text = error.kind, str(error)
    match error:
        case ResultTimeoutError():
            return RequestError(504, kind, text)
        case UnavailableError():
            return RequestError(503, kind, text, _RETRY_AFTER)
        case _ if kind == "log-damaged":
            return RequestError(503, kind, text)
        case _ if kind in _STATUS:
            return RequestError(_STATUS[kind], kind, text)
        case BadRequestError():
            return RequestError(400, kind, text)
        case InvocationError():
            return RequestError(502, kind, text)
        case _ if kind == "internal":
            return None
        case _:
            return RequestError(_CONFLICT, kind, text)
