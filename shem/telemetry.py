"""Tracing by OpenTelemetry: exported when an OTLP endpoint is configured, free of cost otherwise.

Code asks `opentelemetry.trace` for its tracer as usual; without `set_up` all spans are no-ops.
"""

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import propagate, trace
from opentelemetry.trace import ProxyTracerProvider, SpanKind

__all__ = ["ENDPOINT_VARIABLES", "enqueue", "inject", "set_up"]

ENDPOINT_VARIABLES: Final = (
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
)


def set_up(service: str, *, endpoint: str | None = None) -> Callable[[], None]:
    """Export spans to `endpoint` or the one of the environment; return what flushes and ends it.

    `endpoint` is the base URL of an OTLP/HTTP collector. Without any endpoint nothing happens, and
    the SDK is not even imported.
    """
    if endpoint is None and not any(os.environ.get(name) for name in ENDPOINT_VARIABLES):
        return _nothing
    # Imported late: the SDK and the exporter cost 100 ms, which nobody pays who does not trace.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - see above
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - see above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - see above

    url = None if endpoint is None else f"{endpoint.rstrip('/')}/v1/traces"
    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "service.instance.id": str(os.getpid())})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def inject(headers: dict[str, str]) -> dict[str, str]:
    """Add the W3C trace context of the current span, if there is one, and return the headers."""
    propagate.inject(headers)
    return headers


@contextmanager
def enqueue(
    component: str, worker: str, key: str, headers: Mapping[str, str]
) -> Generator[dict[str, str]]:
    """Span the publish of an invocation; yield its headers with the trace context in them.

    While nobody exports there is no span, and the caller's own context is what travels.
    """
    if isinstance(trace.get_tracer_provider(), ProxyTracerProvider):
        yield inject(dict(headers))
        return
    attributes = {
        "shem.component": component,
        "shem.worker": worker,
        "shem.idempotency_key": key,
    }
    tracer = trace.get_tracer("shem.client")
    with tracer.start_as_current_span("enqueue", kind=SpanKind.PRODUCER, attributes=attributes):
        yield inject(dict(headers))


def _nothing() -> None:
    """Nothing was set up."""
