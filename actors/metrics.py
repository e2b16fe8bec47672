"""What an executor counts and measures, in one table. Nobody pays who does not look.

The instruments are OpenTelemetry's: until somebody sets up an export they do nothing. What happens
for every invocation is guarded by `enabled` besides, and bounded where it is on: invocations are
counted in a dictionary that is read when somebody collects, and at most one in a millisecond is
timed, since the library takes several microseconds for each time.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, Protocol, final

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from actors.engine.port import EngineReport

__all__ = ["BUCKETS_S", "Gauges", "Metrics", "watch_engine"]

BUCKETS_S: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Upper bounds for what takes a millisecond on a good day and a minute on a bad one."""

TIMED_EVERY_S: Final = 0.001
"""What lies between two timed invocations at least."""

QUEUE: Final = {"shem.phase": "queue"}
EXECUTE: Final = {"shem.phase": "execute"}
COMMIT: Final = {"shem.phase": "commit"}


class Gauges(Protocol):
    """What an executor holds at this moment."""

    @property
    def resident(self) -> int:
        """Workers in memory."""
        ...

    @property
    def suspended(self) -> int:
        """Workers that this executor has suspended and that have not come back to it."""
        ...

    @property
    def memory_bytes(self) -> int:
        """What their guests hold."""
        ...

    @property
    def partitions(self) -> int:
        """Partitions that it owns."""
        ...


def _durations(meter: metrics.Meter, name: str, description: str) -> metrics.Histogram:
    return meter.create_histogram(
        name, "s", description, explicit_bucket_boundaries_advisory=BUCKETS_S
    )


class Reporting(Protocol):
    """An engine, as far as it tells of itself."""

    @property
    def report(self) -> EngineReport:
        """What it has done, and holds."""
        ...


def watch_engine(engine: Reporting) -> None:
    """Report from now on what an engine compiles and holds."""

    def modules(_: CallbackOptions) -> Iterable[Observation]:
        report = engine.report
        for source in ("compiled", "read", "adopted", "reused"):
            yield Observation(getattr(report, source), {"shem.source": source})

    meter = metrics.get_meter("shem.actors")
    meter.create_observable_counter(
        "shem.engine.modules",
        (modules,),
        "{module}",
        "Core modules, by where their compiled code came from.",
    )
    meter.create_observable_gauge(
        "shem.engine.code",
        (lambda _: (Observation(engine.report.code_size),),),
        "By",
        "Compiled code in memory; what components share counts once.",
    )
    meter.create_observable_gauge(
        "shem.engine.instances",
        (lambda _: (Observation(engine.report.instances),),),
        "{instance}",
        "Open instances.",
    )


@final
class Metrics:
    """The instruments of one executor. `enabled` is fixed when it starts."""

    def __init__(self, *, enabled: bool = False) -> None:
        self.enabled = enabled
        meter = metrics.get_meter("shem.actors")
        self._meter = meter
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._timed_from = 0.0
        if enabled:
            meter.create_observable_counter(
                "shem.invocations",
                (self._observe_outcomes,),
                "{invocation}",
                "Invocations with an outcome, by its kind.",
            )
        self.duration = _durations(
            meter,
            "shem.invocation.duration",
            "Of an invocation in a phase: queue, execute, commit; of one in a millisecond at most.",
        )
        self.replayed_entries = meter.create_counter(
            "shem.replay.entries", "{entry}", "Entries of logs that were replayed."
        )
        self.replay_duration = _durations(
            meter, "shem.replay.duration", "Of bringing a guest back."
        )
        self.suspensions = meter.create_counter(
            "shem.worker.suspensions", "{suspension}", "Workers that left memory to wait."
        )
        self.failures = meter.create_counter(
            "shem.worker.failures", "{failure}", "Failed attempts of guests, by kind."
        )
        self.fence_conflicts = meter.create_counter(
            "shem.fence.conflicts", "{conflict}", "Appends refused since another owner has written."
        )
        self.loads = meter.create_counter(
            "shem.component.loads", "{load}", "Components looked up, in the cache of linked ones."
        )
        self.load_duration = _durations(
            meter,
            "shem.component.load.duration",
            "Of loading a component that was not in the cache.",
        )
        self.snapshots = meter.create_counter(
            "shem.snapshots", "{snapshot}", "Snapshots taken, loaded, or failed."
        )
        self.snapshot_bytes = meter.create_counter(
            "shem.snapshot.bytes", "By", "Bytes of the snapshots that were taken."
        )
        self.snapshot_duration = _durations(
            meter,
            "shem.snapshot.duration",
            "For which a worker stands still while its snapshot is taken.",
        )
        self.round_trip = _durations(
            meter,
            "shem.broker.round_trip",
            "Of the heartbeat, which the broker stores like any other message.",
        )

    def snapshot_taken(self, size: int, took_s: float) -> None:
        """A worker was saved: in so many bytes, while it stood still."""
        self.snapshots.add(1, {"shem.outcome": "taken"})
        self.snapshot_bytes.add(size)
        self.snapshot_duration.record(took_s)

    def snapshot_loaded(self) -> None:
        """A guest was made from a snapshot."""
        self.snapshots.add(1, {"shem.outcome": "loaded"})

    def count(self, component: str, outcome: str) -> None:
        """An invocation has its outcome: `ok` or the kind of its error."""
        self._outcomes[component, outcome] += 1

    def times_now(self) -> bool:
        """Whether the invocation that begins now is timed."""
        now = time.perf_counter()
        if not self.enabled or now < self._timed_from:
            return False
        self._timed_from = now + TIMED_EVERY_S
        return True

    def watch(self, held: Gauges) -> None:
        """Report from now on what an executor holds."""
        self._gauge("shem.workers.resident", "{worker}", "In memory.", lambda: held.resident)
        self._gauge("shem.workers.suspended", "{worker}", "Wait outside.", lambda: held.suspended)
        self._gauge("shem.workers.memory", "By", "Held by guests.", lambda: held.memory_bytes)
        self._gauge("shem.partitions.owned", "{partition}", "Owned.", lambda: held.partitions)

    def _observe_outcomes(self, _: CallbackOptions) -> Iterable[Observation]:
        # Read by another thread: what is added meanwhile is seen the next time.
        for (component, outcome), count in list(self._outcomes.items()):
            yield Observation(count, {"shem.component": component, "shem.outcome": outcome})

    def _gauge(self, name: str, unit: str, description: str, value: Callable[[], int]) -> None:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return (Observation(value()),)

        self._meter.create_observable_gauge(name, (observe,), unit, description)
