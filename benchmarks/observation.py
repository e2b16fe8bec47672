"""What observing an invocation costs an executor: off, with metrics, traced at 10% and whole.

    python -m benchmarks.observation

Each way in a process of its own, in turns, by processor time of what is done for one invocation:
`queued`, `execute`, `completed`, `committed`; encoding and sending included. The best of several
turns counts, since others use the machine too. To be compared with the 120 µs and more that an
invocation costs an executor.
"""

import os
import subprocess
import sys
from typing import Final

from benchmarks.collector import collector

TURNS: Final = 5
INVOCATION_US: Final = 120.0
WAYS: Final = (
    "off",
    "metrics",
    "traces at 10%",
    "traces at 10%, chosen by a caller",
    "metrics and traces at 10%",
    "traces",
    "traces of a caller",
)

SCRIPT: Final = """
import sys, time
from shem import telemetry
way = sys.argv[1]
if "traces" in way:
    telemetry.set_up("bench", endpoint=sys.argv[2])
end = telemetry.measure("bench", scraped=True) if "metrics" in way else None
from actors.identity import WorkerId
from actors.metrics import Metrics
from actors.tracing import Cause, Tracing
from oplog.entries import ExportedFunctionInvoked, Raw
tracing = Tracing(Metrics(enabled=end is not None))
alice = WorkerId("counter", "alice")
chosen = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
others = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
def message(number):
    # A caller records as many of his traces as are to be recorded here.
    parent = None
    if "caller" in way:
        parent = chosen if "10%" not in way or number % 10 == 0 else others
    invoked = ExportedFunctionInvoked(
        function="demo:counter/api.{add}", params=Raw(b"[5]"), idempotency_key=f"run-{number}",
        sequence=1, traceparent=parent,
    )
    return invoked, Cause(f"run-{number}", parent, None)
COUNT = 30_000
if tracing.traces:
    # What sends has begun before it is measured.
    for number in range(100):
        running = tracing.execute(alice, message(number)[0])
        if running is not None:
            running.left()
    time.sleep(0.5)
messages = [message(number) for number in range(COUNT)]
begun = time.process_time()
for invoked, cause in messages:
    running = None
    # As the session does it.
    if tracing.enabled:
        tracing.queued(alice, cause, since_ns=0)
        running = tracing.execute(alice, invoked)
    if running is not None:
        running.completed(None)
        running.committed()
print((time.process_time() - begun) / COUNT * 1e6)
"""


def measure(way: str, collector: str) -> float:
    """Return microseconds of processor for one invocation."""
    sampled = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}
    often = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
    environment = os.environ | often | (sampled if "10%" in way else {})
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, way, collector],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main() -> None:
    """Print a table."""
    best = dict.fromkeys(WAYS, float("inf"))
    with collector() as url:
        for _ in range(TURNS):
            for way in WAYS:
                best[way] = min(best[way], measure(way, url))
    for way, cost_us in best.items():
        share = cost_us / INVOCATION_US
        print(f"{way:36} {cost_us:7.2f} µs  {share:6.1%} of {INVOCATION_US:g} µs")


if __name__ == "__main__":
    main()
