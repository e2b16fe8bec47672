"""The gateway as an ASGI application: reads requests within limits, hands them over, responds."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias, final
from urllib.parse import parse_qsl, unquote

from gateway.errors import RequestError
from gateway.handling import Handler
from gateway.inputs import Arrived
from gateway.limits import BODY_BYTES_MAX
from gateway.problems import problem
from gateway.responses import Response

__all__ = ["Gateway"]

# The protocol's own types: dictionaries of whatever the message needs.
Scope: TypeAlias = MutableMapping[str, Any]
Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]

HEALTH: Final = ".shem"
QUERY_FIELDS_MAX: Final = 1_000
BODY_TIMEOUT_S: Final = 30.0
_CLOSE: Final = (("connection", "close"),)


@final
class Gateway:
    """Answers HTTP. `/.shem/health` says that it does; all other paths are of deployed APIs."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        assert scope["type"] == "http", scope["type"]
        try:
            response = await self._answer(scope, receive)
        except _GoneError:
            return
        except RequestError as error:
            response = problem(error)
        await _send(response, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        path = _path(scope["raw_path"])
        if path == [HEALTH, "health"]:
            return Response(200, (("content-type", "application/json"),), b'{"status":"ok"}')
        headers = _headers(scope["headers"])
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) > 1:
            raise RequestError(400, "bad-request", "there are several Host headers")
        request = Arrived({}, _query(scope["query_string"]), headers, await _body(headers, receive))
        return await self._handler.answer(headers.get("host", ""), scope["method"], path, request)


class _GoneError(Exception):
    """The client is gone: nobody waits for an answer, so nothing is worth trying again."""


def _path(raw: bytes) -> list[str]:
    """Return the segments, decoded one by one, so that `%2F` stays inside its segment."""
    try:
        text = raw.decode("ascii")
        if "\0" in unquote(text):
            raise RequestError(400, "bad-request", "the path contains a zero byte")
        parts = text.removeprefix("/").split("/") if text != "/" else []
        return [unquote(part, errors="strict") for part in parts]
    except UnicodeDecodeError as error:
        raise RequestError(400, "bad-request", f"the path is no UTF-8: {error}") from error


def _query(raw: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=QUERY_FIELDS_MAX,
        )
    except UnicodeDecodeError as error:
        raise RequestError(400, "bad-request", f"the query is no UTF-8: {error}") from error
    except ValueError as error:
        raise RequestError(400, "bad-request", f"the query: {error}") from error
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


async def _body(headers: dict[str, str], receive: Receive) -> bytes:
    declared = headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > BODY_BYTES_MAX:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise _GoneError
                parts.append(event.get("body", b""))
                size += len(parts[-1])
                if size > BODY_BYTES_MAX:
                    raise _too_large()
                if not event.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        detail = f"the body did not arrive within {BODY_TIMEOUT_S:g} s"
        raise RequestError(408, "request-timeout", detail, _CLOSE) from None


def _too_large() -> RequestError:
    detail = f"the body has more than {BODY_BYTES_MAX} bytes"
    return RequestError(413, "content-too-large", detail, _CLOSE)


async def _send(response: Response, send: Send) -> None:
    headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers
    ]
    if response.status not in {204, 304}:
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
