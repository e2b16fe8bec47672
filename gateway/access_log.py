"""The access log: a line for each request and each websocket, when it is over."""

import time
from collections.abc import MutableMapping
from typing import Any, final

import structlog

from gateway.rest.requests import Receive, Scope, Send
from gateway.server import Application

__all__ = ["AccessLog"]

_log = structlog.get_logger("access")


@final
class AccessLog:
    """Passes requests on and logs what came of them.

    The query is left out, since it may hold secrets; the trace is added by who sets up the log.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one on."""
        status = size = 0
        begun = time.perf_counter()

        async def watched(event: MutableMapping[str, Any]) -> None:
            nonlocal status, size
            match event["type"]:
                case "http.response.start" | "websocket.http.response.start":
                    status = event["status"]
                case "http.response.body" | "websocket.http.response.body":
                    size += len(event.get("body", b""))
                case "websocket.accept":
                    status = 101
                case "websocket.send":
                    size += len(event.get("bytes") or event.get("text") or "")
                case _:
                    pass
            await send(event)

        client = scope.get("client")
        try:
            await self._application(scope, receive, watched)
        finally:
            _log.info(
                "request",
                method="WEBSOCKET" if scope["type"] == "websocket" else scope["method"],
                path=scope["raw_path"].decode("latin-1"),
                status=status,
                bytes=size,
                ms=round((time.perf_counter() - begun) * 1_000, 3),
                client=client[0] if client else None,
            )
