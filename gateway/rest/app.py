"""The management API as an ASGI application."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, final
from urllib.parse import parse_qs

import msgspec
import structlog

from gateway.errors import RequestError
from gateway.paths import Path, parse_path
from gateway.problems import problem
from gateway.responses import Response
from gateway.rest.events import EVENT_STREAM, Events, frames, server_sent
from gateway.rest.guard import Guard
from gateway.rest.openapi import document
from gateway.rest.operation import JSON, Operation, Reply, Role, Streamed
from gateway.rest.requests import (
    GoneError,
    Receive,
    Scope,
    Send,
    call_of,
    headers_of,
    segments_of,
)
from gateway.table import Table

__all__ = ["BASE", "Explain", "Management", "send_response"]

BASE: Final = "/.shem/v1"
_JSON_HEADERS: Final = (("content-type", JSON),)
# Codes of a websocket that is closed: what HTTP would answer with, 4000 higher.
_CLOSE_BASE: Final = 4000
_GOING_AWAY: Final = 1001
_REASON_BYTES_MAX: Final = 120

# Says what an exception means for the client; None: it is a bug.
Explain = Callable[[Exception], RequestError | None]

_log = structlog.get_logger(__name__)


@final
class _Routed:
    """An operation as a route table holds it."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.api = operation.name
        self.method = operation.method
        self.path: Path = parse_path(operation.path)


@final
class Management:
    """Answers requests and websockets below `BASE`."""

    def __init__(
        self, operations: Sequence[Operation], guard: Guard, explain: Explain, *, version: str
    ) -> None:
        self._table = Table(map(_Routed, operations))
        self._guard = guard
        self._explain = explain
        self._streams: set[asyncio.Task[object]] = set()
        described = document(operations, version=version, base=BASE, is_open=guard.is_open)
        self._document = Response(200, _JSON_HEADERS, msgspec.json.encode(described))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one websocket."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        try:
            answer = await self._answer(scope, receive)
        except GoneError:
            return
        match answer:
            case Response():
                await send_response(answer, scope, send)
            case Streamed() | Events():
                await self._stream(answer, receive, send)

    def leave(self) -> None:
        """End the streams: they would never end by themselves."""
        for each in self._streams:
            each.cancel()

    async def _answer(self, scope: Scope, receive: Receive) -> Response | Streamed | Events:
        occurrence = str(uuid.uuid4())
        try:
            return await self._run(scope, receive)
        except GoneError:
            raise
        except Exception as error:  # noqa: BLE001 - a bug must not leave the client without an answer
            told = error if isinstance(error, RequestError) else self._explain(error)
            if told is None:
                _log.exception("a management request failed", id=occurrence, path=scope["path"])
                told = RequestError(500, "internal", f"a bug; the log has it (id {occurrence})")
            return problem(told, instance=occurrence if told.status >= 500 else "")

    async def _run(self, scope: Scope, receive: Receive) -> Response | Streamed | Events:
        parts = segments_of(scope["raw_path"][len(BASE) :])
        method = scope.get("method", "GET")
        if parts == ["openapi.json"] and method in {"GET", "HEAD"}:
            self._guard.check(headers_of(scope), Role.VIEWER)
            return self._document
        found, variables = self._find(method, parts)
        self._guard.check(headers_of(scope), found.role, secret=_secret(found, scope))
        call = await call_of(found, variables, scope, receive, BASE)
        return _response(found, await found.run(call))

    def _find(self, method: str, parts: Sequence[str]) -> tuple[Operation, dict[str, str]]:
        routes = self._table.find(parts).routes
        if not routes:
            raise RequestError(404, "unknown-path", f"no operation at {BASE}/{'/'.join(parts)}")
        chosen = routes.get(method) or (routes.get("GET") if method == "HEAD" else None)
        if chosen is None:
            allowed = ", ".join(sorted(routes))
            detail = f"there are {allowed} at this path, not {method}"
            raise RequestError(405, "method-not-allowed", detail, (("allow", allowed),))
        return chosen[0].operation, dict(chosen[1])

    async def _stream(self, answer: Streamed | Events, receive: Receive, send: Send) -> None:
        """Send piece by piece until the end, or until the client is gone."""
        sending = asyncio.ensure_future(_send_stream(answer, send))
        leaving = asyncio.ensure_future(_gone(receive))
        self._streams.add(sending)
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.discard(sending)
            sending.cancel()
            leaving.cancel()
            ended = await asyncio.gather(sending, leaving, return_exceptions=True)
        if isinstance(ended[0], Exception):
            _log.error("a stream broke off", path="…", reason=str(ended[0]))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        answer = await self._answer(scope, _no_body)
        if isinstance(answer, Events):
            await send({"type": "websocket.accept"})
            await self._frames(answer, receive, send)
            return
        # The handshake is refused as a request would be: clients see the status.
        refused = (
            answer
            if isinstance(answer, Response) and answer.status >= 400
            else problem(RequestError(400, "bad-request", "this is no stream of events"))
        )
        await send_response(refused, scope, send)

    async def _frames(self, answer: Events, receive: Receive, send: Send) -> None:
        async def forward() -> None:
            async for text in frames(answer.source):
                await send({"type": "websocket.send", "text": text})

        sending: asyncio.Task[None] = asyncio.ensure_future(forward())
        leaving = asyncio.ensure_future(_gone(receive))
        self._streams.add(sending)
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._streams.discard(sending)
            is_gone = leaving.done()
            sending.cancel()
            leaving.cancel()
            ended = await asyncio.gather(sending, leaving, return_exceptions=True)
        if not is_gone:
            told = self._explain(ended[0]) if isinstance(ended[0], Exception) else None
            code = _GOING_AWAY if told is None else _CLOSE_BASE + told.status
            reason = "" if told is None else told.detail.encode()[:_REASON_BYTES_MAX]
            text = reason.decode(errors="ignore") if isinstance(reason, bytes) else reason
            await send({"type": "websocket.close", "code": code, "reason": text})


def _response(each: Operation, value: object) -> Response | Streamed | Events:
    match value:
        case Response() | Streamed() | Events():
            return value
        case Reply(value=body, status=status, headers=headers):
            if body is None:
                return Response(status, headers, b"")
            return Response(status, (*_JSON_HEADERS, *headers), msgspec.json.encode(body))
        case None:
            return Response(204, (), b"")
        case _:
            status = next(iter(each.answers))
            return Response(status, _JSON_HEADERS, msgspec.json.encode(value))


def _secret(each: Operation, scope: Scope) -> str:
    """Return a token from the query, for browsers: their streams cannot carry headers."""
    if "access_token" not in each.query_type.__struct_fields__:
        return ""
    found = parse_qs(scope["query_string"].decode("latin-1")).get("access_token", ())
    return found[0] if found else ""


async def _send_stream(answer: Streamed | Events, send: Send) -> None:
    pieces: AsyncIterator[bytes]
    if isinstance(answer, Events):
        pieces, kind, size = server_sent(answer.source), EVENT_STREAM, None
    else:
        pieces, kind, size = answer.pieces, answer.kind, answer.size
    headers = [("content-type", kind), *answer.headers]
    if size is not None:
        headers.append(("content-length", str(size)))
    await send({"type": "http.response.start", "status": 200, "headers": _raw(headers)})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def send_response(response: Response, scope: Scope, send: Send) -> None:
    """Answer a request, or refuse the handshake of a websocket with what a request would get."""
    assert isinstance(response.body, bytes), "what comes in pieces is `Streamed`"
    headers = _raw(response.headers)
    if response.status not in {204, 304}:
        headers.append((b"content-length", str(len(response.body)).encode()))
    prefix = "websocket.http" if scope["type"] == "websocket" else "http"
    start = {"status": response.status, "headers": headers}
    await send({"type": f"{prefix}.response.start", **start})
    await send({"type": f"{prefix}.response.body", "body": response.body})


def _raw(headers: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _gone(receive: Receive) -> None:
    while True:
        event = await receive()
        if event["type"] in {"http.disconnect", "websocket.disconnect"}:
            return


async def _no_body() -> dict[str, object]:
    return {"type": "http.request", "body": b"", "more_body": False}
