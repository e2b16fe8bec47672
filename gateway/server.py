"""The HTTP server: uvicorn on a socket of ours, in an event loop of ours."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import final

import uvicorn

from gateway.app import Gateway
from gateway.limits import HEADER_BYTES_MAX

__all__ = ["HttpServer", "listen"]

BACKLOG = 2048
KEEP_ALIVE_S = 75
SHUTDOWN_S = 10


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


@final
class HttpServer:
    """Serves until it is told to leave; requests that run by then are answered."""

    def __init__(self, gateway: Gateway) -> None:
        config = uvicorn.Config(
            gateway,
            http="httptools",
            ws="none",
            loop="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=SHUTDOWN_S,
            h11_max_incomplete_event_size=HEADER_BYTES_MAX,
        )
        self._server = _Server(config)

    async def run(self, listening: socket.socket) -> None:
        """Serve on a socket until `leave`."""
        await self._server.serve(sockets=[listening])

    def leave(self) -> None:
        """Take no new connections, finish what runs."""
        self._server.should_exit = True
