"""The gateway as an ASGI application: takes requests, hands them over, sends responses."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, final

from gateway.errors import RequestError
from gateway.handling import Handler
from gateway.incoming import Event, GoneError, Incoming, Receive, Scope
from gateway.problems import problem
from gateway.responses import Response

__all__ = ["Gateway"]

Send: TypeAlias = Callable[[Event], Awaitable[None]]

HEALTH: Final = [".shem", "health"]


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
        except GoneError:
            return
        except RequestError as error:
            response = problem(error)
        await _send(response, send, is_head=scope["method"] == "HEAD")

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        request = Incoming(scope, receive)
        if request.path == HEALTH:
            return Response(200, (("content-type", "application/json"),), b'{"status":"ok"}')
        return await self._handler.answer(request)


async def _send(response: Response, send: Send, *, is_head: bool) -> None:
    headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers
    ]
    body = response.body
    if isinstance(body, bytes) and response.status not in {204, 304}:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if is_head or isinstance(body, bytes):
        data = body if isinstance(body, bytes) else b""
        await send({"type": "http.response.body", "body": data})
        return
    # What breaks in the middle ends the connection before the promised length: the server sees to
    # it when this raises.
    async for piece in body:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
