"""What the gateway adds to an invocation, one client after the other on one connection.

    python -m benchmarks.gateway

Budget: at most 1 ms at the median, beyond the same invocation over NATS in the same run.
"""

import asyncio
import http.client
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from shem.client import Client
from tests.guests.build import build
from tests.support.system import RunningSystem

OVERHEAD_MS_MAX = 1.0
REQUESTS = 500
WARM_UP = 50
API = """
id: bench
version: "1"
routes:
  - {method: GET, path: /hello, binding: {type: default, response: '"hello"'}}
  - method: POST
    path: /add/{name}
    binding: {type: default, components: [tiny], response: 'instance(request.path.name).add(1)'}
"""


def measure(task: Callable[[], object]) -> tuple[float, float]:
    """Return the median and the 99th percentile in milliseconds."""
    for _ in range(WARM_UP):
        task()
    times = []
    for _ in range(REQUESTS):
        start = time.perf_counter()
        task()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, RunningSystem(Path(folder), http=True) as system:
        (system.folder / "api.yaml").write_text(API)
        for command in (
            ("component", "add", "tiny", str(build("tiny"))),
            ("api", "deploy", "api.yaml"),
        ):
            done = system.run("shem", *command)
            assert done.returncode == 0, done.stdout
        place = urlsplit(system.http_url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port)

        def ask(method: str, path: str) -> int:
            connection.request(method, path)
            response = connection.getresponse()
            response.read()
            return response.status

        while ask("GET", "/hello") != 200:
            time.sleep(0.05)
        with asyncio.Runner() as runner:
            client = runner.run(Client.connect(system.url))
            worker = client.worker("tiny", "direct")
            rows = {
                "health": measure(lambda: ask("GET", "/.shem/health")),
                "a program without calls": measure(lambda: ask("GET", "/hello")),
                "an invocation over NATS": measure(lambda: runner.run(worker.invoke("add", 1))),
                "an invocation over HTTP": measure(lambda: ask("POST", "/add/http")),
            }
            runner.run(client.close())
    for name, (median, late) in rows.items():
        print(f"{name:<26} p50 {median:7.2f} ms   p99 {late:7.2f} ms")
    overhead = rows["an invocation over HTTP"][0] - rows["an invocation over NATS"][0]
    print(f"{'the gateway adds':<26} p50 {overhead:7.2f} ms   budget {OVERHEAD_MS_MAX:.0f} ms")
    return overhead > OVERHEAD_MS_MAX


if __name__ == "__main__":
    sys.exit(main())
