"""Large bodies through gateway and worker: how fast they pass, and how much memory they take.

    python -m benchmarks.large_bodies [MEGABYTES]

A guest in C copies the body of a request to the response, piece by piece. Memory is the highest
that gateway and executor have in this time, beyond what they have before it. Fails if that is more
than `GROWTH_MIB_MAX`, however large the body is.
"""

import hashlib
import http.client
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.guests.build import build
from tests.support.system import RunningSystem

MEGABYTES = 200
GROWTH_MIB_MAX = 64
PATIENCE_S = 600
API = """
id: copies
version: "1"
routes:
  - method: POST
    path: /copy
    binding: {type: http-handler, component: copier, worker: '"copier"'}
    limits: {body-bytes: 4000000000, timeout-s: 600}
"""


def main(megabytes: int) -> int:
    folder = Path(tempfile.mkdtemp(prefix="shem-large-"))
    with RunningSystem(folder, http=True) as system:
        (folder / "api.yaml").write_text(API)
        for command in (
            ("component", "add", "copier", str(build("copier"))),
            ("api", "deploy", "api.yaml"),
        ):
            done = system.run("shem", *command)
            assert done.returncode == 0, done.stdout
        return measured(system, megabytes)


def measured(system: RunningSystem, megabytes: int) -> int:
    deadline = time.monotonic() + PATIENCE_S
    # What is needed once is not what a body needs.
    while ask(system, "/copy", pieces(3))[0] != 200:
        assert time.monotonic() < deadline, system.log
    pids = system.wait_for(lambda state: bool(state["pids"]["gateway"]))["pids"]
    processes = {"gateway": pids["gateway"], "executor": pids["executors"][0]}
    before = {name: forget_peak(pid) for name, pid in processes.items()}
    begun = time.perf_counter()
    status, first_s, size, digest = ask(system, "/copy", pieces(megabytes))
    took_s = time.perf_counter() - begun
    expected = hashlib.sha256()
    for piece in pieces(megabytes):
        expected.update(piece)
    assert (status, size, digest) == (200, megabytes * 1_000_000, expected.hexdigest())
    print(f"{megabytes} MB there and back: {took_s:.1f} s, first byte after {first_s:.1f} s")
    grown = 0
    for name, pid in processes.items():
        kib = peak_kib(pid) - before[name]
        grown = max(grown, kib)
        print(f"{name}: {before[name] / 1024:.0f} MiB before, {kib / 1024:.0f} MiB more at most")
    return int(grown > GROWTH_MIB_MAX * 1024)


def pieces(megabytes: int) -> Iterator[bytes]:
    for number in range(megabytes * 10):
        yield number.to_bytes(4) * 25_000


def ask(system: RunningSystem, path: str, body: Iterator[bytes]) -> tuple[int, float, int, str]:
    """Return the status, when the first byte came, how many came, and their digest."""
    place = urlsplit(system.http_url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PATIENCE_S)
    begun = time.perf_counter()
    headers = {"transfer-encoding": "chunked", "content-type": "application/json"}
    connection.request("POST", path, body, headers, encode_chunked=True)
    response = connection.getresponse()
    first_s = time.perf_counter() - begun
    size, digest = 0, hashlib.sha256()
    while piece := response.read(1 << 20):
        size += len(piece)
        digest.update(piece)
    connection.close()
    return response.status, first_s, size, digest.hexdigest()


def forget_peak(pid: int) -> int:
    """Have a process's peak begin anew; return its memory now, in KiB."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak_kib(pid)


def peak_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else MEGABYTES))
