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
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from msgspec import Struct

from tests.chaos import reader
from tests.chaos.attack import Attack
from tests.chaos.check import Fault, check, summary
from tests.chaos.client import connect, probe
from tests.chaos.cluster import ROOT, Executor, Server, fake_clock, free_ports
from tests.chaos.disk import can_slow, own_disk
from tests.chaos.logs import Message, assemble
from tests.chaos.network import Network, own_network
from tests.chaos.operations import CALLER, CLIENT_INTERFACE, COMPONENT
from tests.chaos.plan import Fault as Attacked
from tests.chaos.plan import Means, broker_faults, faults, worse_faults
from tests.chaos.proxy import Proxies
from tests.chaos.record import Notes, read
from tests.chaos.replicas import compare, replicate, wait_until_led, wait_until_whole
from tests.guests.build import build

__all__ = ["Options", "Outcome", "run"]

# Rest is when all is answered. It was missed when nothing has moved for so long, however long the
# whole of it takes on a busy machine.
_PATIENCE_S: Final = 60.0
_REST_LIMIT_S: Final = 900.0
_DEPLOY_TIMEOUT_S: Final = 120.0
_FAULTS_SHOWN_MAX: Final = 20
# Enough for a run of some minutes.
_DISK_MEGABYTES: Final = 192


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
    worse: bool = False
    """Whether networks, disks and clocks are attacked, too."""
    brokers: bool = False
    """Whether only what lies between and in three brokers is attacked."""


class Outcome(Struct, frozen=True):
    """What came of it."""

    faults: list[Fault]
    hits: int
    seen: dict[str, int]
    slowest_s: float
    kinds: dict[str, int] = {}
    """How often what was hit, and how many acknowledgements were lost or doubled."""


def run(options: Options) -> Outcome:
    """Start everything, attack it, end it, and check what is left."""
    with ExitStack() as disks:
        return _run(options, disks)


def _run(options: Options, disks: ExitStack) -> Outcome:
    ports = free_ports(2 * options.nodes)
    names = range(options.nodes)
    listen, routes = ports[: options.nodes], ports[options.nodes :]
    network = None
    if options.nodes > 1 and (options.worse or options.brokers):
        network = disks.enter_context(own_network(options.nodes))
    servers = [Server(index, options.folder, listen, routes, network=network) for index in names]
    urls = [server.url for server in servers]
    wanted = servers if options.worse else []
    made = [disks.enter_context(own_disk(each.store, _DISK_MEGABYTES)) for each in wanted]
    has_disks = bool(made) and all(made)
    clock = fake_clock() if options.worse else None
    proxies = Proxies()
    disks.callback(proxies.close)
    executors = [
        Executor(
            index,
            options.folder,
            proxies.add(
                free_ports(options.nodes),
                [(each.host, each.port) for each in servers],
                str(options.seed),
            ),
            fake_clock=clock,
        )
        for index in range(options.executors)
    ]
    clients: list[subprocess.Popen[bytes]] = []
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.wait_until_listening()
        asyncio.run(wait_until_led(urls))
        for executor in executors:
            executor.start()
        _deploy(urls, executors)
        if options.nodes > 1:
            asyncio.run(replicate(urls, options.nodes))
        clients += [_client(options, urls, number) for number in range(options.clients)]
        attack = Attack(
            executors,
            servers,
            lambda: asyncio.run(_leader(urls)),
            options.folder / "events",
            proxies,
            network,
            lambda: asyncio.run(wait_until_whole(urls, options.nodes)),
        )
        means = _means(options, has_disks=has_disks, network=network)
        attack.run(_plan(options, means), options.seconds)
        for client in clients:
            client.wait(options.seconds + _REST_LIMIT_S)
        messages, notes = asyncio.run(_collect(options, urls))
        copies = asyncio.run(_compare(urls, servers, messages))
        attack.finish()
    finally:
        for client in clients:
            client.kill()
            client.wait()
        for process in (*executors, *servers):
            process.kill()
    # An outcome may be told again after a crash: the first time is what its caller waited for.
    slowest_s = max((each[0].after_s for each in notes.heard.values()), default=0.0)
    kinds = {**attack.kinds, "acknowledgements": proxies.touched}
    logs = assemble(messages)
    ended = [Fault("ended by itself", "", each) for each in attack.ended]
    wrong = [*ended, *copies, *check(logs, notes)]
    return Outcome(wrong, attack.count, summary(logs, notes), slowest_s, kinds)


def _means(options: Options, *, has_disks: bool, network: Network | None) -> Means:
    return Means(
        slow_disk=can_slow(),
        full_disk=has_disks,
        clock=fake_clock() is not None,
        network=network is not None,
        replicas=options.nodes > 1,
    )


def _plan(options: Options, means: Means) -> Iterator[Attacked]:
    if options.brokers:
        return broker_faults(options.seed, servers=options.nodes, means=means)
    if options.worse:
        return worse_faults(
            options.seed, executors=options.executors, servers=options.nodes, means=means
        )
    return faults(options.seed, executors=options.executors, servers=options.nodes)


def _deploy(urls: list[str], executors: list[Executor]) -> None:
    """Upload both guests by the command line, as soon as an executor takes them."""
    add = [sys.executable, "-m", "shem", "component", "add"]
    _upload([*add, COMPONENT, str(build("load"))], urls, executors)
    link = f"{CLIENT_INTERFACE}={COMPONENT}"
    _upload([*add, CALLER, str(build("fan")), "--link", link], urls, executors)


def _upload(command: list[str], urls: list[str], executors: list[Executor]) -> None:
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
            raise RuntimeError(f"a guest cannot be deployed:\n{done.stderr}{logs}")
        time.sleep(1)


def _client(options: Options, urls: list[str], number: int) -> subprocess.Popen[bytes]:
    out = options.folder / f"client-{number}.jsonl"
    settings = {
        "--urls": ",".join(urls),
        "--publisher": number,
        "--seed": options.seed,
        "--seconds": options.seconds,
        "--settle-seconds": _PATIENCE_S,
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


async def _collect(options: Options, urls: list[str]) -> tuple[list[Message], Notes]:
    """Ask every worker for its total, then read all commits and all that the clients noted."""
    probed = options.folder / "probe.jsonl"
    await probe(urls, options.workers, probed, patience_s=_PATIENCE_S)
    connection = await connect(urls)
    messages = await reader.messages(connection)
    await connection.close()
    return messages, read([*sorted(options.folder.glob("client-*.jsonl")), probed])


async def _compare(urls: list[str], servers: list[Server], messages: list[Message]) -> list[Fault]:
    """Every replica has every commit, as it was read."""
    if len(servers) < 2:
        return []
    await wait_until_whole(urls, len(servers))
    found = await compare(urls, [each.name for each in servers], messages)
    return [Fault("replica", name, text) for name, texts in found.items() for text in texts]


def _report(options: Options, outcome: Outcome) -> None:
    seen = ", ".join(f"{name} {count}" for name, count in outcome.seen.items())
    print(f"seed {options.seed}: {outcome.hits} hits; {seen}")
    print("hit: " + ", ".join(f"{name} {count}" for name, count in outcome.kinds.items()))
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
    parser.add_argument("--worse", action="store_true", help="networks, disks and clocks, too")
    parser.add_argument(
        "--brokers", action="store_true", help="only between three brokers, and copies of them"
    )
    parser.add_argument("--keep", action="store_true", help="keep the files of a clean run too")
    given = parser.parse_args()
    if given.brokers and given.nodes < 3:
        parser.error("--brokers is about three of them: --nodes 3")
    folder = Path(tempfile.mkdtemp(prefix=f"shem-chaos-{given.seed}-"))
    options = Options(
        folder=folder,
        seed=given.seed,
        seconds=given.seconds,
        nodes=given.nodes,
        executors=given.executors,
        workers=given.workers,
        worse=given.worse,
        brokers=given.brokers,
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
