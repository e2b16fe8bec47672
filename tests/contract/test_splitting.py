"""One stream dealt out over several, killed on the way and gone on with."""

import asyncio
import contextlib
import json
import time

import nats
import pytest
from msgspec.structs import replace
from nats.aio.msg import Msg

from actors.worker_index.marks import move_marks, read_marks
from broker import subjects
from broker.errors import SetupError, UnavailableError
from broker.jetstream import splitting
from broker.jetstream.api import JetStreamApi
from broker.jetstream.connect import ConnectOptions, connect
from broker.jetstream.inspect import inspect
from broker.jetstream.splitting import split
from broker.sharding import Sharding, mappings_text
from shem.errors import RefusedError
from shem.streams import split_streams, streams_of
from tests.chaos.cluster import free_ports

N = 8
WORKERS = [f"w{number}" for number in range(24)]
SOON_NS = 12 * 10**9
HOUR_NS = 3_600 * 10**9
CROWD = 10_000
# What a single stream takes in first of all.
ALL = "shem.invoke.*.*"


async def fill(broker) -> dict[str, int]:
    """Give every worker a log, mail and a schedule; return where the logs end."""
    ends: dict[str, int] = {}
    for number, name in enumerate(WORKERS):
        log = subjects.log("c", name, N)
        for entry in range(3):
            ends[log] = await broker.journal.append(
                log,
                b"%d" % entry,
                message_id=f"{name}-{entry}",
                expected_sequence=ends.get(log, 0),
                headers={"Shem-First": str(entry + 1)},
            )
        await broker.journal.publish(subjects.invoke("c", name), b"mail", message_id=f"m-{name}")
        await broker.journal.schedule(
            subjects.schedule("c", name, "later"),
            b"later",
            target=subjects.invoke("c", name),
            at_ns=time.time_ns() + HOUR_NS,
            message_id=f"s-{name}",
            headers={"Shem-Key": f"k{number}"},
        )
    return ends


async def everything(broker) -> dict[str, list[tuple]]:
    """What each worker has, with its sequences; of schedules what they say."""
    found: dict[str, list[tuple]] = {}
    for name in WORKERS:
        stored = [
            (m.sequence, m.subject, m.data, m.headers, m.time_ns)
            for subject in (subjects.log("c", name, N), subjects.mailbox("c", name, N))
            async for m in broker.journal.read(subject)
        ]
        subject = subjects.schedule("c", name, "later")
        schedule = await broker.journal.last(subject)
        assert await broker.journal.subjects(subject) == {subject: 1}
        found[name] = [*stored, (schedule.data, schedule.headers["Shem-Key"])]
    return found


def dying(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Make the process die, as far as the server sees it, after some requests."""
    asked = 0
    real = JetStreamApi.call

    async def call(self, *arguments, **options):
        nonlocal asked
        asked += 1
        if asked > after:
            raise UnavailableError("killed here")
        return await real(self, *arguments, **options)

    monkeypatch.setattr(JetStreamApi, "call", call)


@pytest.mark.parametrize(("before", "streams"), [(1, 3), (2, 4)])
async def test_all_is_where_it_was_however_often_it_is_interrupted(
    make_nats_server, monkeypatch, until, before, streams
):
    options = ConnectOptions(servers=(make_nats_server(mappings_text(N)).url,), partitions=N)
    broker = await connect(ConnectOptions(servers=options.servers, partitions=N, streams=before))
    ends = await fill(broker)
    known = await everything(broker)
    due_ns = time.time_ns() + SOON_NS
    for name in WORKERS:
        await broker.journal.schedule(
            subjects.schedule("c", name, "soon"),
            b"soon",
            target=subjects.invoke("c", name),
            at_ns=due_ns,
            message_id=f"soon-{name}",
        )
    await broker.close()

    deaths = 0
    while True:
        with monkeypatch.context() as patch:
            dying(patch, 4 + 3 * deaths)
            try:
                done = await split(options, streams, progress=lambda _: None)
            except UnavailableError:
                deaths += 1
            else:
                break
        if deaths > 2:
            with pytest.raises(SetupError, match=f"being split into {streams}: finish it"):
                await connect(options)
            with pytest.raises(RefusedError, match=f"being split into {streams}: finish it"):
                await streams_of(options)
            assert (await inspect(options)).splitting == streams
    assert deaths > 8
    assert done.before == before
    assert {number % streams for number in done.partitions} == set(range(before, streams))

    broker = await connect(options)
    assert broker.sharding == Sharding(N, streams)
    assert time.time_ns() < due_ns, "too slow to see what fires in the new streams"
    assert await everything(broker) == known
    await until(lambda: all_fired(broker))
    now = await everything(broker)
    assert {name: [each for each in all_ if b"soon" not in each] for name, all_ in now.items()} == (
        known
    )
    assert all(sum(b"soon" in each for each in all_) == 1 for all_ in now.values())
    for log, end in ends.items():
        await broker.journal.append(log, b"on", message_id=f"{log}-on", expected_sequence=end)
        assert await broker.journal.get(log, end) is not None
    acks = [
        await broker.journal.publish(subjects.invoke("c", name), b"new", message_id=f"n-{name}")
        for name in WORKERS
    ]
    assert not any(ack.duplicate for ack in acks)
    await broker.close()


def sorting(make_nats_server) -> ConnectOptions:
    return ConnectOptions(servers=(make_nats_server(mappings_text(N)).url,), partitions=N)


@pytest.mark.parametrize(("before", "streams"), [(1, 3), (2, 4)])
async def test_who_stays_connected_reads_all_that_was_split(make_nats_server, before, streams):
    options = sorting(make_nats_server)
    old = await connect(replace(options, streams=before))
    await fill(old)
    known = await everything(old)
    patterns = ("shem.oplog.*.*.*.log", "shem.sched.c.*.*")
    counted = [await old.journal.subjects(pattern) for pattern in patterns]
    # Each of its ways to read, by a connection that has asked for nothing else since.
    others = [await connect(replace(options, streams=before)) for _ in range(3)]
    await split(options, streams, progress=lambda _: None)
    assert await everything(old) == known
    assert [await others[0].journal.subjects(pattern) for pattern in patterns] == counted
    logs = [m async for m in others[1].journal.read(subjects.LOGS)]
    assert len(logs) == 3 * len(WORKERS)
    for name in WORKERS:
        mail = subjects.mailbox("c", name, N, "invoke")
        log = subjects.log("c", name, N)
        last = logs[-1] if logs[-1].subject == log else await others[2].journal.last(log)
        assert await others[2].journal.get(log, last.sequence) == last
        (waiting,) = [m async for m in others[2].journal.read_whole(mail)]
        await others[2].journal.remove(mail, waiting.sequence)
        assert await others[2].journal.last(mail) is None
        assert await others[2].journal.purge(log, up_to_sequence=last.sequence) == 3
    for broker in (old, *others):
        assert broker.sharding == Sharding(N, streams)
        await broker.close()


async def test_who_stays_connected_schedules_and_takes_back_what_was_split(make_nats_server):
    options = sorting(make_nats_server)
    old = await connect(options)
    await split(options, 4, progress=lambda _: None)
    new = await connect(options)
    soon_ns = time.time_ns() + 10**9
    async with asyncio.timeout(20):
        for name in WORKERS:
            invoke = subjects.invoke("c", name)
            for each, at_ns in (("soon", soon_ns), ("never", soon_ns + HOUR_NS)):
                subject = subjects.schedule("c", name, each)
                ack = await old.journal.schedule(
                    subject, b"%d" % at_ns, target=invoke, at_ns=at_ns, message_id=f"{each}-{name}"
                )
                assert (await new.journal.last(subject)).sequence == ack.sequence
            assert await old.journal.purge(subject) == 1
            await old.journal.publish(subject, b"held", message_id=f"held-{name}")
            assert (await new.journal.last(subject)).data == b"held"
        fired: set[str] = set()
        while len(fired) < len(WORKERS):
            mail = await old.journal.subjects("shem.oplog.*.*.*.in.invoke")
            fired = {subjects.worker_of(subject)[1] for subject in mail}
            await asyncio.sleep(0.05)
    for broker in (old, new):
        await broker.close()


async def test_while_streams_are_split_nothing_is_said_to_be_not_there(
    make_nats_server, monkeypatch
):
    options = sorting(make_nats_server)
    old = await connect(options)
    executor = await connect(replace(options, runs_workers=True))
    await fill(old)
    name = WORKERS[0]
    assert await executor.is_current()
    with monkeypatch.context() as patch:
        # The schedules lie below their partitions by then, and mirrors are made.
        dying(patch, 60)
        with pytest.raises(UnavailableError, match="killed here"):
            await split(options, 4, progress=lambda _: None)
    for asking in (
        old.journal.last(subjects.schedule("c", name, "later")),
        old.journal.subjects(subjects.schedule("c", None, "*")),
        old.journal.purge(subjects.schedule("c", name, "none")),
    ):
        with pytest.raises(UnavailableError, match="being split into 4: try again"):
            await asking
    assert not await executor.is_current()
    await split(options, 4, progress=lambda _: None)
    assert (await old.journal.last(subjects.schedule("c", name, "later"))).data == b"later"
    assert not await executor.is_current()
    for broker in (old, executor):
        await broker.close()


async def test_the_index_is_read_anew_also_by_a_split_that_died_before_it_said_so(make_nats_server):
    options = ConnectOptions(servers=(make_nats_server(mappings_text(N)).url,), partitions=N)
    broker = await connect(options)
    await fill(broker)
    marks = dict.fromkeys(range(N), 1_000_000)
    await move_marks(broker.workers, marks)
    # All of it but what comes behind the streams' own last step.
    await split(options, 4, progress=lambda _: None)
    assert await read_marks(broker.workers) == marks

    done = await split_streams(options, 4, progress=lambda _: None)

    assert (done.before, done.streams, done.partitions) == (4, 4, ())
    assert await read_marks(broker.workers) == {}
    with pytest.raises(SetupError, match="can be split into a multiple of that, not into 3"):
        await split_streams(options, 3, progress=lambda _: None)
    await broker.close()


async def all_fired(broker) -> bool:
    return all(
        any(b"soon" in each for each in all_) for all_ in (await everything(broker)).values()
    )


async def test_a_schedule_that_fires_while_it_is_filed_stops_nothing(make_nats_server, monkeypatch):
    options = ConnectOptions(servers=(make_nats_server(mappings_text(N)).url,), partitions=N)
    broker = await connect(options)
    await fill(broker)
    known = await everything(broker)
    await broker.close()
    real = JetStreamApi.call

    async def call(self, operation, *arguments, **options):
        if "MSG.DELETE" in operation:
            await real(self, operation, *arguments, **options)
        return await real(self, operation, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(JetStreamApi, "call", call)
        await split(options, 2, progress=lambda _: None)
    broker = await connect(options)
    assert await everything(broker) == known
    await broker.close()


async def test_a_schedule_is_filed_or_refused(make_nats_server, monkeypatch):
    options = ConnectOptions(servers=(make_nats_server(mappings_text(N)).url,), partitions=N)
    old = await connect(options)
    real = JetStreamApi.call
    acked: list[str] = []

    async def publish(name: str) -> None:
        subject, target = subjects.schedule("c", name, "late"), subjects.invoke("c", name)
        at_ns = time.time_ns() + HOUR_NS
        await old.journal.schedule(subject, b"", target=target, at_ns=at_ns, message_id=name)
        acked.append(subject)

    async def call(self, operation, *arguments, **options):
        if operation.startswith("STREAM.CREATE"):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await asyncio.gather(*(publish(name) for name in WORKERS))
        return await real(self, operation, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(JetStreamApi, "call", call)
        await split(options, 2, progress=lambda _: None)
    await old.close()
    broker = await connect(options)
    assert set(await broker.journal.subjects(subjects.schedule("c", "*", "*"))) >= set(acked)
    await broker.close()


SPLIT_S = 90
"""Servers take some seconds to begin a mirror."""


@pytest.fixture
def sorting_cluster(make_nats_server) -> ConnectOptions:
    """Three servers that sort for several streams."""
    routes = free_ports(3)
    peers = ", ".join(f"nats://127.0.0.1:{port}" for port in routes)
    servers = [
        make_nats_server(
            f"cluster {{ name: split, listen: 127.0.0.1:{port}, routes: [{peers}] }}\n"
            + mappings_text(N),
            name=f"s{number}",
            port=own,
        )
        for number, (port, own) in enumerate(zip(routes, free_ports(3), strict=True))
    ]
    return ConnectOptions(
        servers=tuple(server.url for server in servers),
        partitions=N,
        replicas=3,
        connect_timeout_s=30,
    )


@pytest.mark.parametrize("filled", [WORKERS, WORKERS[:1]], ids=["all partitions", "one partition"])
async def test_replicas_get_streams_that_begin_where_their_origin_does_not(
    sorting_cluster, monkeypatch, filled
):
    monkeypatch.setitem(globals(), "WORKERS", filled)
    broker = await connect(sorting_cluster)
    for number in range(3):
        subject = subjects.invoke("c", "gone")
        sequence = (await broker.journal.publish(subject, b"", message_id=f"{number}")).sequence
        await broker.journal.remove(subjects.mailbox("c", "gone", N), sequence)
    ends = await fill(broker)
    known = await everything(broker)

    acked = 0

    async def publish_all_the_time() -> None:
        nonlocal acked
        while True:
            invoke = subjects.invoke("c", f"w{acked % 24}")
            await broker.journal.publish(invoke, b"meanwhile", message_id=f"d-{acked}")
            acked += 1

    async with asyncio.timeout(SPLIT_S):
        publishing = asyncio.create_task(publish_all_the_time())
        await split(sorting_cluster, 4, progress=lambda _: None)
        before = acked
        while acked < before + 24:
            assert not publishing.done(), publishing.result()
            await asyncio.sleep(0.01)
        publishing.cancel()
    await broker.close()
    broker = await connect(sorting_cluster)
    assert broker.sharding == Sharding(N, 4)
    mail = [m async for m in broker.journal.read("shem.oplog.*.*.*.in.invoke")]
    assert sum(each.data == b"meanwhile" for each in mail) - acked in {0, 1}
    now = await everything(broker)
    assert {
        name: [each for each in all_ if b"meanwhile" not in each] for name, all_ in now.items()
    } == known
    for log, end in ends.items():
        await broker.journal.append(log, b"on", message_id=f"{log}-on", expected_sequence=end)
    for number in range(24):
        invoke = subjects.invoke("c", f"w{number}")
        assert not (await broker.journal.publish(invoke, b"", message_id=f"n{number}")).duplicate
    await broker.close()
    found = await inspect(sorting_cluster)
    streams = [each for each in found.streams if each.name in Sharding(N, 4).names]
    assert len(streams) == 4
    assert all(len(each.peers) == 3 for each in streams)
    assert not [peer for each in streams for peer in each.peers if peer.is_offline]


async def test_what_still_queues_up_when_a_partition_is_given_up_moves_along(
    make_nats_server, monkeypatch, tmp_path
):
    # Each message takes its time.
    store = f"jetstream {{ store_dir: {json.dumps(str(tmp_path / 'js'))}, sync_interval: always }}"
    server = make_nats_server(f"{mappings_text(N)}\n{store}")
    options = ConnectOptions(servers=(server.url,), partitions=N)
    old = await connect(options)
    crowd = await nats.connect(options.servers[0], pending_size=64 << 20)
    inbox = crowd.new_inbox()
    acked: set[str] = set()
    sent: list[int] = []

    async def take(message: Msg) -> None:
        # What came too late is refused: nobody took it in.
        if message.data and "error" not in json.loads(message.data):
            acked.add(message.subject.rpartition(".")[2])

    await crowd.subscribe(f"{inbox}.*", cb=take)
    real = JetStreamApi.call

    async def call(self, operation, body, *arguments, **options):
        gives_up = operation == "STREAM.UPDATE.SHEM_OPLOG" and body["subjects"][0] != ALL
        if gives_up and not sent:
            for number in range(CROWD):
                sent.append(number)
                invoke = subjects.invoke("c", WORKERS[number % len(WORKERS)])
                await crowd.publish(invoke, b"%d" % number, reply=f"{inbox}.{number}")
            await crowd.flush()
        return await real(self, operation, body, *arguments, **options)

    async def unchecked(*_: object, **__: object) -> None:
        """Ask nothing: with many streams not all of them are asked."""

    with monkeypatch.context() as patch:
        patch.setattr(JetStreamApi, "call", call)
        patch.setattr(splitting, "check_mappings", unchecked)
        await split(options, 2, progress=lambda _: None)
    await crowd.flush()
    await crowd.close()
    assert acked
    mail = [m.data.decode() async for m in old.journal.read("shem.oplog.*.*.*.in.invoke")]
    assert acked <= set(mail)
    assert len(set(mail)) == len(mail)
    found = await old.journal.subjects("shem.oplog.>")
    assert all(subject.endswith(".in.invoke") for subject in found)
    await old.close()


async def test_without_a_server_that_sorts_all_stays_as_it_was(nats_url):
    options = ConnectOptions(servers=(nats_url,), partitions=N)
    broker = await connect(options)
    await fill(broker)
    known = await everything(broker)
    await broker.close()
    with pytest.raises(SetupError, match="no stream takes them in"):
        await split(options, 2, progress=lambda _: None)
    broker = await connect(options)
    assert broker.sharding == Sharding(N)
    assert await everything(broker) == known
    await broker.journal.publish(subjects.invoke("c", "w1"), b"new", message_id="new")
    await broker.close()


@pytest.mark.parametrize(
    ("streams", "why"), [(3, "a multiple"), (2, "a multiple"), (16, "would stay empty")]
)
async def test_what_cannot_be_is_refused(make_nats_server, streams, why):
    options = ConnectOptions(servers=(make_nats_server(mappings_text(N)).url,), partitions=N)
    broker = await connect(ConnectOptions(servers=options.servers, partitions=N, streams=2))
    await broker.close()
    with pytest.raises(SetupError, match=why):
        await split(options, streams, progress=lambda _: None)


async def test_nothing_cannot_be_split(nats_url):
    with pytest.raises(SetupError, match="there is no stream"):
        await split(ConnectOptions(servers=(nats_url,)), 2, progress=lambda _: None)
