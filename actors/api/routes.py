"""How one management request becomes a call: its type, its handler, its answer or error."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias, TypeVar

import msgspec
import structlog
from msgspec import Struct

from actors.components import ComponentsError
from actors.errors import ApiError
from broker.errors import BrokerError, RetryableError
from broker.ports import Request

__all__ = ["Failure", "Handler", "Routes", "answer", "fail", "route", "succeed"]

Handler: TypeAlias = Callable[[Request], Awaitable[object]]
# By `<noun>.<verb>`.
Routes: TypeAlias = Mapping[str, Handler]

Body = TypeVar("Body")

UNAVAILABLE: Final = "unavailable"
INTERNAL: Final = "internal"

_log = structlog.get_logger(__name__)


class Failure(Struct, frozen=True):
    """An error on the wire."""

    kind: str
    message: str


class Ok(Struct, frozen=True):
    """A successful answer."""

    ok: object


class Failed(Struct, frozen=True):
    """A failed answer."""

    error: Failure


def route(body: type[Body], run: Callable[[Body, Request], Awaitable[object]]) -> Handler:
    """Return a handler that decodes the request as `body` and calls `run`.

    Raises (at the call):
        ApiError: `bad-request`, with the place of what does not fit.
    """
    decoder = msgspec.json.Decoder(body)

    async def handle(request: Request) -> object:
        try:
            decoded = decoder.decode(request.data or b"{}")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            # ValidationError is a DecodeError too; its message ends with the path.
            raise ApiError("bad-request", f"{request.subject}: {error}") from error
        except RecursionError as error:
            raise ApiError("bad-request", f"{request.subject}: it nests too deep") from error
        return await run(decoded, request)

    return handle


async def answer(routes: Routes, name: str, request: Request) -> bytes:
    """Return the answer to a request, whatever happens."""
    handler = routes.get(name)
    if handler is None:
        known = ", ".join(sorted(routes))
        return fail("unknown-operation", f"no operation {name!r}; there are {known}")
    try:
        return succeed(await handler(request))
    except ApiError as error:
        return fail(error.kind, str(error))
    except ComponentsError as error:
        return fail(error.kind, str(error))
    except RetryableError as error:
        return fail(UNAVAILABLE, f"{name}: {error}")
    except BrokerError as error:
        return fail(INTERNAL, f"{name}: {error}")
    except Exception as error:  # noqa: BLE001 - a bug must not leave the caller without an answer
        _log.exception("a management request failed", request=name)
        return fail(INTERNAL, f"{name}: {type(error).__name__}: {error}")


def succeed(value: object) -> bytes:
    """Encode a successful answer."""
    return msgspec.json.encode(Ok(ok=value))


def fail(kind: str, message: str) -> bytes:
    """Encode a failed answer."""
    return msgspec.json.encode(Failed(error=Failure(kind=kind, message=message)))
