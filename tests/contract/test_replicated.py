"""Three servers: the same promises while leaders change."""

import asyncio
import time

import pytest

from broker import subjects
from broker.errors import FencedError, UnavailableError
from broker.jetstream.connect import ConnectOptions, connect

N = 4


@pytest.fixture
def replicated(runner, nats_cluster):
    options = ConnectOptions(
        servers=nats_cluster.urls, partitions=N, replicas=3, connect_timeout_s=30
    )
    broker = runner.run(connect(options))
    yield broker
    runner.run(broker.close())


async def test_fences_and_deduplication_hold(replicated):
    journal = replicated.journal
    worker = f"w{time.monotonic_ns()}"
    log = subjects.log("r3", worker, N)
    first = await journal.append(log, b"1", message_id=f"{worker}-1", expected_sequence=0)
    with pytest.raises(FencedError):
        await journal.append(log, b"2", message_id=f"{worker}-2", expected_sequence=0)
    invoke = subjects.invoke("r3", worker)
    stored = await journal.publish(invoke, b"x", message_id=f"{worker}-m")
    assert (await journal.publish(invoke, b"x", message_id=f"{worker}-m")).duplicate
    assert stored.sequence > first
    assert (await journal.last(log, leader=True)).sequence == first


async def test_what_is_on_its_way_when_it_is_published_again_is_stored_once(replicated):
    journal = replicated.journal
    worker = f"w{time.monotonic_ns()}"
    invoke = subjects.invoke("r3", worker)
    for number in range(50):
        both = [journal.publish(invoke, b"x", message_id=f"{worker}-{number}") for _ in range(2)]
        one, other = await asyncio.gather(*both)
        assert one.sequence == other.sequence
        assert [one.duplicate, other.duplicate].count(True) == 1


async def test_nothing_follows_an_append_where_there_are_replicas(replicated):
    """Followers would take the condition for a damaged disk, and drop the stream."""
    journal = replicated.journal
    worker = f"w{time.monotonic_ns()}"
    log, invoke = subjects.log("r3", worker, N), subjects.invoke("r3", worker)
    mail = subjects.mailbox("r3", worker, N, "invoke")
    last, followed = 0, 0
    for number in range(30):
        ids = {"behind": f"{worker}-{number}", "message_id": f"{worker}-f{number}"}
        following = asyncio.create_task(journal.follow(invoke, b"%d" % number, **ids))
        last = await journal.append(
            log, b"x", message_id=f"{worker}-{number}", expected_sequence=last
        )
        is_stored = await following
        followed += is_stored
        again = await journal.publish(invoke, b"%d" % number, message_id=f"{worker}-f{number}")
        assert again.duplicate or not is_stored
    stored = [int(message.data) async for message in journal.read(mail)]
    assert stored == list(range(30))
    assert followed == 0


async def test_racing_appends_have_one_winner(replicated):
    worker = f"w{time.monotonic_ns()}"
    log = subjects.log("r3", worker, N)
    outcomes = await asyncio.gather(
        *(
            replicated.journal.append(
                log, b"%d" % racer, message_id=f"{worker}-{racer}", expected_sequence=0
            )
            for racer in range(10)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, FencedError) for outcome in outcomes) == 9


async def test_killed_leaders_lose_nothing_and_repeat_nothing(replicated, nats_cluster, until):
    workers = [f"k{time.monotonic_ns()}-{number}" for number in range(6)]
    stored: list[int] = []

    async def append_all(worker):
        log = subjects.log("r3", worker, N)
        last = 0
        for number in range(20):
            last = await replicated.journal.append(
                log, b"%d" % number, message_id=f"{worker}-{number}", expected_sequence=last
            )
            stored.append(last)

    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(append_all(worker))
        await until(lambda: len(stored) >= 40)
        leader = await leader_of(replicated)
        victim = next(server for server in nats_cluster.servers if server.name == leader)
        victim.kill()
        # Asked while there is no leader: answered when there is one.
        log = subjects.log("r3", workers[0], N)
        newest = await replicated.journal.last(log, leader=True)
        assert newest is not None
        so_far = [int(message.data) async for message in replicated.journal.read(log)]
        assert so_far == list(range(len(so_far)))
        assert len(so_far) > int(newest.data)
    victim.start()
    for worker in workers:
        log = subjects.log("r3", worker, N)
        data = [int(message.data) async for message in replicated.journal.read(log)]
        assert data == list(range(20))


@pytest.mark.parametrize("flipped", [0, 2])
async def test_what_one_replica_cannot_read_any_more_is_read_whole(
    replicated, nats_cluster, until, flipped
):
    """A server that ended in order looks at its disk again only when it is asked for a message."""
    journal = replicated.journal
    worker = f"d{time.monotonic_ns()}"
    invoke, mail = subjects.invoke("r3", worker), subjects.mailbox("r3", worker, N, "invoke")
    done = await journal.publish(invoke, b"done", message_id=worker)
    for number in range(4):
        text = f"<{worker}:{number}>".encode()
        await journal.publish(invoke, text, message_id=f"{worker}-{number}")
    await until(lambda: all_are_current(replicated))
    leader = await leader_of(replicated)
    victim = next(server for server in nats_cluster.servers if server.name != leader)
    victim.stop()
    flip(victim.directory, f"<{worker}:{flipped}>".encode())
    victim.start()

    async def is_passed_over():
        return len([message async for message in journal.read(mail)]) < 5

    await until(is_passed_over)
    for _ in range(10):
        read = journal.read_whole(mail, from_sequence=done.sequence + 1)
        found = sorted([(message.sequence, message.data) async for message in read])
        assert [data for _, data in found] == [b"<%s:%d>" % (worker.encode(), n) for n in range(4)]


def flip(directory, text):
    """Change a bit of a stored message."""
    for block in directory.rglob(f"{subjects.STREAM}/msgs/*.blk"):
        data = bytearray(block.read_bytes())
        place = data.find(text)
        if place >= 0:
            data[place + 1] ^= 1
            block.write_bytes(bytes(data))
            return
    raise AssertionError("the message is not found")


async def all_are_current(broker):
    import msgspec

    asked = f"$JS.API.STREAM.INFO.{subjects.STREAM}"
    try:
        answer = await broker._wire.request(asked, b"", timeout_s=5)
    except UnavailableError:
        return False
    replicas = msgspec.json.decode(answer.data).get("cluster", {}).get("replicas", [])
    return len(replicas) == 2 and all(each["current"] for each in replicas)


async def leader_of(broker):
    import msgspec

    answer = await broker._wire.request(f"$JS.API.STREAM.INFO.{subjects.STREAM}", b"", timeout_s=5)
    return msgspec.json.decode(answer.data)["cluster"]["leader"]
