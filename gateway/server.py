"""The HTTP server: uvicorn on a socket of ours, in an event loop of ours."""

import socket
from collections.abc import Awaitable, Callable, Generator, MutableMapping
from contextlib import contextmanager
from typing import Any, final

import uvicorn
from uvicorn.protocols.utils import ClientDisconnected

from gateway.connections import LimitedConnection
from gateway.limits import SOCKET_MESSAGE_BYTES_MAX
from gateway.rest.requests import Receive, Scope, Send

__all__ = ["Application", "HttpServer", "listen"]

BACKLOG = 2048
KEEP_ALIVE_S = 75
SHUTDOWN_S = 10
# A peer that does not answer a ping by then is gone.
SOCKET_PING_S = 20

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that clients may connect to; port 0 takes a free one.

    Raises:
        OSError: the port is taken, or not ours to take.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        # From now on: whoever connects before the server runs waits instead of being refused.
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made


@final
class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to whoever runs us."""
        yield


def _refusing(application: Application) -> Application:
    """Return an application whose refused websockets the server takes for ended.

    It complains of a handshake that was answered by a response, though ASGI knows that answer.
    """

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        is_refused = False

        async def watched(event: MutableMapping[str, Any]) -> None:
            nonlocal is_refused
            is_refused = is_refused or event["type"] == "websocket.http.response.start"
            await send(event)

        if scope["type"] != "websocket":
            await application(scope, receive, send)
            return
        await application(scope, receive, watched)
        if is_refused:
            raise ClientDisconnected

    return run


@final
class HttpServer:
    """Serves until it is told to leave; requests that run by then are answered."""

    def __init__(self, application: Application) -> None:
        config = uvicorn.Config(
            _refusing(application),
            http=LimitedConnection,
            ws="websockets-sansio",
            ws_max_size=SOCKET_MESSAGE_BYTES_MAX,
            ws_ping_interval=SOCKET_PING_S,
            ws_ping_timeout=SOCKET_PING_S,
            # Compression costs each connection some hundred KiB of memory.
            ws_per_message_deflate=False,
            loop="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
        self._server = _Server(config)

    async def run(self, listening: socket.socket) -> None:
        """Serve on a socket until `leave`."""
        await self._server.serve(sockets=[listening])

    def leave(self) -> None:
        """Take no new connections, finish what runs."""
        self._server.should_exit = True
