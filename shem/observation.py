"""What a process exports of itself while it runs: metrics and health, and requests over HTTP."""

import time
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final, final

from msgspec import Struct
from opentelemetry import metrics, propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import ProxyTracerProvider, SpanKind, StatusCode

from actors.metrics import BUCKETS_S
from gateway.rest.requests import Receive, Scope, Send
from gateway.server import Application
from shem import telemetry
from shem.health import Health

__all__ = ["Observation", "observed", "observed_app"]

METRICS_HOST: Final = "0.0.0.0"  # noqa: S104 - scraped from other machines, and it tells no secrets


class Observation(Struct, frozen=True):
    """`measured`: somebody gets the metrics."""

    health: Health
    measured: bool


@contextmanager
def observed(
    service: str, endpoint: str | None, metrics_port: int | None
) -> Generator[Observation]:
    """Export what is asked for until the end of the context.

    Raises:
        OSError: the port is taken, or not ours to take.
    """
    health = Health()
    end = telemetry.measure(service, endpoint=endpoint, scraped=metrics_port is not None)
    try:
        with _served(metrics_port, health):
            yield Observation(health, measured=end is not None)
    finally:
        if end is not None:
            end()


@contextmanager
def _served(port: int | None, health: Health) -> Generator[None]:
    if port is None:
        yield
        return
    # Imported late: whoever is not scraped does not pay for the library.
    from shem.health_server import HealthServer  # noqa: PLC0415 - see above

    server = HealthServer(METRICS_HOST, port, health)
    server.start()
    try:
        yield
    finally:
        server.stop()


def observed_app(app: Application, *, measured: bool) -> Application:
    """Return the application with a span and a time for each request, if anybody wants them."""
    traces = not isinstance(trace.get_tracer_provider(), ProxyTracerProvider)
    return _Observed(app) if measured or traces else app


@final
class _Observed:
    """Wraps an ASGI application; what it calls finds the request's span as the current one."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._tracer = trace.get_tracer("shem.gateway")
        meter = metrics.get_meter("shem.gateway")
        self._duration = meter.create_histogram(
            "http.server.request.duration",
            "s",
            "Of a request, from its head to the end of the response.",
            explicit_bucket_boundaries_advisory=BUCKETS_S,
        )
        self._active = meter.create_up_down_counter(
            "http.server.active_requests", "{request}", "Requests that are being answered."
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def note(event: MutableMapping[str, Any]) -> None:
            nonlocal status
            if event["type"] == "http.response.start":
                status = event["status"]
            await send(event)

        method = str(scope["method"])
        labels: dict[str, str | int] = {"http.request.method": method}
        begun = time.perf_counter()
        self._active.add(1, labels)
        try:
            with self._tracer.start_as_current_span(
                method,
                _caller(scope),
                kind=SpanKind.SERVER,
                attributes={
                    **labels,
                    "url.path": str(scope["path"]),
                    "url.scheme": str(scope["scheme"]),
                },
            ) as span:
                await self._app(scope, receive, note)
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_status(StatusCode.ERROR)
        finally:
            self._active.add(-1, labels)
            took_s = time.perf_counter() - begun
            self._duration.record(took_s, {**labels, "http.response.status_code": status})


def _caller(scope: Scope) -> Context:
    carrier = {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in scope["headers"]
        if name in {b"traceparent", b"tracestate"}
    }
    return propagate.extract(carrier, Context())
