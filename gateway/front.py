"""What a port answers with: the management API below its path, deployed APIs everywhere else."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, final

from opentelemetry import context, propagate, trace

from gateway.errors import RequestError
from gateway.problems import problem
from gateway.rest.app import BASE, send_response
from gateway.rest.requests import Receive, Scope, Send
from gateway.server import Application

__all__ = ["Front", "nowhere"]

_BELOW: Final = f"{BASE}/".encode()


@final
class Front:
    """Passes requests and websockets on by their path. `management` None: it is elsewhere."""

    def __init__(
        self, *, apis: Application, sockets: Application, management: Application | None
    ) -> None:
        self._apis = apis
        self._sockets = sockets
        self._management = management

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, in the trace of whoever asks."""
        with _traced(scope):
            await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._management is not None and scope["raw_path"].startswith(_BELOW):
            await self._management(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._sockets(scope, receive, send)
        else:
            await self._apis(scope, receive, send)


@contextmanager
def _traced(scope: Scope) -> Generator[None]:
    """Have the client's trace go on, also where nobody exports spans."""
    carrier = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in {b"traceparent", b"tracestate"}
    }
    if not carrier or trace.get_current_span().get_span_context().is_valid:
        yield
        return
    token = context.attach(propagate.extract(carrier))
    try:
        yield
    finally:
        context.detach(token)


async def nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer everything with 404: only the management API is on this port."""
    if scope["type"] == "websocket":
        await receive()
    error = RequestError(404, "unknown-path", f"only {BASE} is on this port")
    await send_response(problem(error), scope, send)
