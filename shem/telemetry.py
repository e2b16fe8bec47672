"""Traces and metrics by OpenTelemetry: exported when somebody is told to, free of cost otherwise.

Code asks `opentelemetry.trace` for its tracer and `opentelemetry.metrics` for its meter as usual;
without `set_up` and `measure` all spans and instruments are no-ops. Everything else that the SDK
knows, such as sampling, is configured by its own `OTEL_*` variables.
"""

import os
import socket
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import structlog
from opentelemetry import propagate, trace
from opentelemetry.trace import ProxyTracerProvider, SpanKind

from actors import spans
from broker import subjects

if TYPE_CHECKING:
    # At run time only where metrics are exported: the SDK costs 100 ms.
    from opentelemetry.sdk.metrics.export import MetricReader

__all__ = ["ENDPOINT_VARIABLES", "METRICS_VARIABLES", "enqueue", "inject", "measure", "set_up"]

ENDPOINT_VARIABLES: Final = (
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
)
METRICS_VARIABLES: Final = (
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
)

_END_MS_MAX: Final = 1_000
_PROTOCOL: Final = "http/protobuf"

log = structlog.get_logger(__name__)


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

    from shem.span_export import END_S_MAX, SpanExport  # noqa: PLC0415 - see above

    url = None if endpoint is None else f"{endpoint.rstrip('/')}/v1/traces"
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", _PROTOCOL)
    if protocol != _PROTOCOL:
        # Whoever set it has named a port that speaks it.
        log.warning("OTLP is spoken by HTTP only", expected=_PROTOCOL, protocol=protocol)

    resource = Resource.create(_who(service))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
    trace.set_tracer_provider(provider)
    # What runs invocations makes spans of its own, which cost less; nothing is sent without any.
    whose = {name: str(value) for name, value in resource.attributes.items()}
    export = SpanExport(url, whose, os.environ)
    spans.install(export)

    def end() -> None:
        export.end()
        # It waits for as long as the exporter tries, and cannot be told otherwise.
        ending = threading.Thread(target=provider.shutdown, name="end of spans", daemon=True)
        ending.start()
        ending.join(END_S_MAX)

    return end


def measure(
    service: str, *, endpoint: str | None = None, scraped: bool = False
) -> Callable[[], None] | None:
    """Export metrics to a collector, or have them `scraped` from this process, or both.

    Return what flushes and ends it; None: nobody wants them, and nothing was imported.
    """
    pushed = endpoint is not None or any(os.environ.get(name) for name in METRICS_VARIABLES)
    pushed = pushed and os.environ.get("OTEL_METRICS_EXPORTER", "otlp") == "otlp"
    if not (pushed or scraped):
        return None
    # Imported late, as above.
    from opentelemetry import metrics  # noqa: PLC0415 - see above
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - see above
    from opentelemetry.sdk.metrics.export import MetricReader  # noqa: PLC0415 - see above
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - see above

    readers: list[MetricReader] = []
    if pushed:
        readers.append(_pushing(endpoint))
    if scraped:
        from opentelemetry.exporter.prometheus import (  # noqa: PLC0415 - see above
            PrometheusMetricReader,
        )

        readers.append(PrometheusMetricReader())
    provider = MeterProvider(readers, Resource.create(_who(service)))
    metrics.set_meter_provider(provider)
    return partial(provider.shutdown, _END_MS_MAX)


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
        "messaging.system": "nats",
        "messaging.operation.type": "send",
        "messaging.destination.name": subjects.invoke(component, worker),
        "messaging.message.id": key,
    }
    tracer = trace.get_tracer("shem.client")
    with tracer.start_as_current_span("enqueue", kind=SpanKind.PRODUCER, attributes=attributes):
        yield inject(dict(headers))


def _pushing(endpoint: str | None) -> "MetricReader":
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415 - see above
        OTLPMetricExporter,
    )
    from opentelemetry.sdk.metrics.export import (  # noqa: PLC0415 - see above
        PeriodicExportingMetricReader,
    )

    url = None if endpoint is None else f"{endpoint.rstrip('/')}/v1/metrics"
    return PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=url))


def _who(service: str) -> dict[str, str]:
    return {"service.name": service, "service.instance.id": f"{socket.gethostname()}-{os.getpid()}"}


def _nothing() -> None:
    """Nothing was set up."""
