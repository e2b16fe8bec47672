"""Random load on the real thing while its processes are killed; then everything is checked.

    python -m tests.chaos.run --seed 1 --seconds 60 [--nodes 3]

The seed decides the load and the faults. Exit status 0: nothing was lost, doubled, reordered or
stuck. Otherwise what was wrong is printed, and all files of the run are kept.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from msgspec import Struct

from tests.chaos import reader
from tests.chaos.attack import Attack
from tests.chaos.check import Fault, check, summary
from tests.chaos.client import connect, probe
from tests.chaos.cluster import ROOT, Executor, Server, free_ports
from tests.chaos.logs import Log, assemble
from tests.chaos.operations import COMPONENT
from tests.chaos.plan import faults
from tests.chaos.record import Notes, read
from tests.chaos.replicas import replicate
from tests.guests.build import build

__all__ = ["Options", "Outcome", "run"]

_SETTLE_S: Final = 60.0
_PROBE_S: Final = 60.0
_DEPLOY_TIMEOUT_S: Final = 120.0
_FAULTS_SHOWN_MAX: Final = 20


class Options(Struct, frozen=True, kw_only=True):
    """What a run does. `folder` gets all its files."""

    folder: Path
    seed: int
    seconds: float
    nodes: int = 1
    executors: int = 3
    clients: int = 2
    lanes: int = 16
    workers: int = 200


class Outcome(Struct, frozen=True):
    """What came of it."""

    faults: list[Fault]
    hits: int
    seen: dict[str, int]
    slowest_s: float


def run(options: Options) -> Outcome:
    """Start everything, attack it, end it, and check what is left."""
    ports = free_ports(2 * options.nodes)
    names = range(options.nodes)
    listen, routes = ports[: options.nodes], ports[options.nodes :]
    servers = [Server(index, options.folder, listen, routes) for index in names]
    urls = [server.url for server in servers]
    executors = [Executor(index, options.folder, urls) for index in range(options.executors)]
    clients: list[subprocess.Popen[bytes]] = []
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.wait_until_listening()
        for executor in executors:
            executor.start()
        _deploy(urls, executors)
        if options.nodes > 1:
            asyncio.run(replicate(urls, options.nodes))
        clients += [_client(options, urls, number) for number in range(options.clients)]
        attack = Attack(
            executors, servers, lambda: asyncio.run(_leader(urls)), options.folder / "events"
        )
        plan = faults(options.seed, executors=len(executors), servers=len(servers))
        attack.run(plan, options.seconds)
        for client in clients:
            client.wait(options.seconds + 2 * _SETTLE_S)
        logs, notes = asyncio.run(_collect(options, urls))
    finally:
        for client in clients:
            client.kill()
            client.wait()
        for process in (*executors, *servers):
            process.kill()
    # An outcome may be told again after a crash: the first time is what its caller waited for.
    slowest_s = max((each[0].after_s for each in notes.heard.values()), default=0.0)
    return Outcome(check(logs, notes), attack.count, summary(logs, notes), slowest_s)


def _deploy(urls: list[str], executors: list[Executor]) -> None:
    """Upload the load guest by the command line, as soon as an executor takes it."""
    command = [sys.executable, "-m", "shem", "component", "add", COMPONENT, str(build("load"))]
    environment = os.environ | {"SHEM_NATS_URL": ",".join(urls)}
    deadline = time.monotonic() + _DEPLOY_TIMEOUT_S
    while True:
        done = subprocess.run(
            command,
            env=environment,
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
            timeout=_DEPLOY_TIMEOUT_S,
        )
        if done.returncode == 0:
            return
        dead = [each for each in executors if not each.is_running]
        if len(dead) == len(executors) or time.monotonic() > deadline:
            logs = "".join(f"\n{each.name}: {each.last_words()}" for each in dead)
            raise RuntimeError(f"the load guest cannot be deployed:\n{done.stderr}{logs}")
        time.sleep(1)


def _client(options: Options, urls: list[str], number: int) -> subprocess.Popen[bytes]:
    out = options.folder / f"client-{number}.jsonl"
    settings = {
        "--urls": ",".join(urls),
        "--publisher": number,
        "--seed": options.seed,
        "--seconds": options.seconds,
        "--settle-seconds": _SETTLE_S,
        "--workers": options.workers,
        "--lanes": options.lanes,
        "--out": out,
    }
    words = [str(word) for pair in settings.items() for word in pair]
    with out.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.client", *words],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


async def _leader(urls: list[str]) -> str | None:
    connection = await connect(urls)
    try:
        return await reader.leader(connection)
    finally:
        await connection.close()


async def _collect(options: Options, urls: list[str]) -> tuple[dict[str, Log], Notes]:
    """Ask every worker for its total, then read all logs and all that the clients noted."""
    probed = options.folder / "probe.jsonl"
    await probe(urls, options.workers, probed, limit_s=_PROBE_S)
    connection = await connect(urls)
    logs = assemble(await reader.messages(connection))
    await connection.close()
    return logs, read([*sorted(options.folder.glob("client-*.jsonl")), probed])


def _report(options: Options, outcome: Outcome) -> None:
    seen = ", ".join(f"{name} {count}" for name, count in outcome.seen.items())
    print(f"seed {options.seed}: {outcome.hits} hits; {seen}")
    print(f"slowest answer {outcome.slowest_s:.1f} s")
    for fault in outcome.faults[:_FAULTS_SHOWN_MAX]:
        print(f"  {fault}")
    if len(outcome.faults) > _FAULTS_SHOWN_MAX:
        print("  ...")
    print(f"{len(outcome.faults)} faults")


def main() -> int:
    """Do what the command line says; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--nodes", type=int, default=1, choices=[1, 3])
    parser.add_argument("--executors", type=int, default=3)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--keep", action="store_true", help="keep the files of a clean run too")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix=f"shem-chaos-{given.seed}-"))
    options = Options(
        folder=folder,
        seed=given.seed,
        seconds=given.seconds,
        nodes=given.nodes,
        executors=given.executors,
        workers=given.workers,
    )
    print(f"files of this run: {folder}")
    outcome = run(options)
    _report(options, outcome)
    if outcome.faults or given.keep:
        return 1 if outcome.faults else 0
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
