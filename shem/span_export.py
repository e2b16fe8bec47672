"""Sending spans to a collector, in batches, from a thread of its own.

A span is encoded where it ends, which takes some microseconds, so that the thread does nothing but
wait for the network: what computes there would hold up the event loop for whole milliseconds. What
a collector does not take, or does not take in time, is lost, and said in the log.
"""

import threading
from collections import deque
from collections.abc import Mapping
from typing import Final, final

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

from actors.spans import Sampling, Span
from shem.otlp import batch, encode, scope

__all__ = ["BATCH_MAX", "END_S_MAX", "QUEUE_MAX", "SpanExport", "sampling_of"]

BATCH_MAX: Final = 2_048
"""Spans in one request, unless `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` says otherwise."""

QUEUE_MAX: Final = 16_384
"""Spans that wait to be sent, unless `OTEL_BSP_MAX_QUEUE_SIZE` says otherwise."""

DELAY_MS: Final = 5_000
"""How long one waits for others, unless `OTEL_BSP_SCHEDULE_DELAY` says otherwise."""

END_S_MAX: Final = 1.0
"""How long a process that ends waits for the collector."""

_SCOPE: Final = "shem.actors"

log = structlog.get_logger(__name__)


@final
class _Exporter(OTLPSpanExporter):
    """The SDK's: it knows endpoint, headers, certificates, compression and when to try again."""

    def post(self, body: bytes) -> bool:
        """Send a request that is encoded already; return whether it was taken."""
        return self._client.export(body).success

    def close(self) -> None:
        """Send nothing any more."""
        self._client.shutdown()


@final
class SpanExport:
    """The sink of a process; its thread begins with the first span.

    Args:
        url: of the collector's traces, None: as the environment says.
        resource: whose spans they are.

    """

    def __init__(
        self, url: str | None, resource: Mapping[str, str], environment: Mapping[str, str]
    ) -> None:
        self.sampling = sampling_of(environment)
        self._url = url
        self._whose = scope(resource, _SCOPE)
        self._batch_max = _number(environment, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH_MAX)
        queue_max = _number(environment, "OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_MAX)
        self._queue_max = max(queue_max, self._batch_max)
        self._delay_s = _number(environment, "OTEL_BSP_SCHEDULE_DELAY", DELAY_MS) / 1e3
        self._queue: deque[bytes] = deque()
        self._wanted = threading.Event()
        self._ending = False
        self._lost = 0
        self._thread: threading.Thread | None = None
        self._exporter: _Exporter | None = None

    def take(self, span: Span) -> None:
        """Queue a span; if too many wait already it is lost."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
            self._thread.start()
        waiting = len(self._queue)
        if waiting >= self._queue_max:
            self._lost += 1
            return
        self._queue.append(encode(span))
        if waiting + 1 == self._batch_max:
            self._wanted.set()

    def end(self) -> None:
        """Send what waits, for a moment; nothing is taken afterwards."""
        self._ending = True
        self._wanted.set()
        if self._thread is None:
            return
        self._thread.join(END_S_MAX)
        if self._thread.is_alive() and self._exporter is not None:
            # Ends its waiting between two tries; what is on its way then is lost, and told.
            self._exporter.close()
            self._thread.join(END_S_MAX / 10)

    def _run(self) -> None:
        exporter = self._exporter = _Exporter(endpoint=self._url)
        while not self._ending:
            self._wanted.wait(self._delay_s)
            self._wanted.clear()
            self._send(exporter)
        self._send(exporter)
        exporter.close()

    def _send(self, exporter: _Exporter) -> None:
        while self._queue:
            spans = [self._queue.popleft() for _ in range(min(len(self._queue), self._batch_max))]
            if not exporter.post(batch(self._whose, spans)):
                self._lost += len(spans)
        if self._lost:
            log.warning("spans are lost: the collector does not take them", spans=self._lost)
            self._lost = 0


def sampling_of(environment: Mapping[str, str]) -> Sampling:
    """Return what `OTEL_TRACES_SAMPLER` and its argument say, as the SDK reads them.

    What it does not know, or cannot read, records everything.
    """
    name = environment.get("OTEL_TRACES_SAMPLER", "parentbased_always_on").lower()
    how = name.removeprefix("parentbased_")
    follows = how != name
    match how:
        case "always_off":
            return Sampling(0.0, follows=follows)
        case "traceidratio":
            return Sampling(_ratio(environment.get("OTEL_TRACES_SAMPLER_ARG", "")), follows=follows)
        case _:
            return Sampling(1.0, follows=follows)


def _ratio(text: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        return 1.0
    return ratio if 0.0 <= ratio <= 1.0 else 1.0


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    """Return a positive number of the environment."""
    try:
        number = int(environment.get(name, default))
    except ValueError:
        return default
    return number if number > 0 else default
