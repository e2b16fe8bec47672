"""Servers that are killed and stopped under load: nothing lost, nothing twice."""

import asyncio

import pytest

from broker import subjects
from broker.errors import FencedError, UnavailableError

N = 8


async def append_all(journal, worker, count, stored):
    subject = subjects.log("crash", worker, N)
    last = 0
    for number in range(count):
        last = await journal.append(
            subject, b"%d" % number, message_id=f"{worker}-{number}", expected_sequence=last
        )
        stored.append(last)


async def read_all(journal, subject):
    """Read, again if the connection is lost meanwhile."""
    while True:
        try:
            return [int(message.data) async for message in journal.read(subject)]
        except UnavailableError:
            await asyncio.sleep(0.05)


async def assert_each_log_is_whole(journal, workers, count):
    for worker in workers:
        subject = subjects.log("crash", worker, N)
        data = await read_all(journal, subject)
        assert data == list(range(count)), worker


async def test_appends_survive_a_killed_server_exactly_once(real_world, until):
    broker = await real_world.connect()
    workers = [f"w{number}" for number in range(10)]
    stored: list[int] = []
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(append_all(broker.journal, worker, 30, stored))
        for kills in range(1, 4):
            await until(lambda: len(stored) >= kills * 60)  # noqa: B023  # awaited at once
            real_world.server.restart()
    await assert_each_log_is_whole(broker.journal, workers, 30)


async def test_appends_survive_a_server_that_stops_answering(real_world, until):
    broker = await real_world.connect()
    workers = [f"w{number}" for number in range(5)]
    stored: list[int] = []
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(append_all(broker.journal, worker, 20, stored))
        await until(lambda: len(stored) >= 30)
        real_world.server.pause()
        await asyncio.sleep(2.5)
        real_world.server.resume()
    await assert_each_log_is_whole(broker.journal, workers, 20)


async def test_publishes_with_an_id_survive_a_killed_server_exactly_once(real_world, until):
    broker = await real_world.connect()
    invoke = subjects.invoke("crash", "target")
    acks = []

    async def publish(number):
        acks.append(await broker.journal.publish(invoke, b"%d" % number, message_id=f"p{number}"))

    async with asyncio.TaskGroup() as group:
        for number in range(200):
            group.create_task(publish(number))
        await until(lambda: acks)
        real_world.server.restart()
    mailbox = subjects.mailbox("crash", "target", N)
    data = await read_all(broker.journal, mailbox)
    assert sorted(data) == list(range(200))


async def test_a_schedule_fires_after_downtime(real_world, until):
    broker = await real_world.connect()
    await broker.journal.schedule(
        subjects.schedule("crash", "w", "1"),
        b"wake",
        target=subjects.reply("crash", "w"),
        at_ns=real_world.now_ns() + 300_000_000,
        message_id="inc:1",
    )
    real_world.server.kill()
    await asyncio.sleep(0.4)
    real_world.server.start()
    mailbox = subjects.mailbox("crash", "w", N)

    async def has_fired():
        try:
            return await broker.journal.last(mailbox) is not None
        except UnavailableError:
            return False

    reconnected = []

    async def hook():
        reconnected.append(True)

    broker.on_reconnect(hook)
    await until(lambda: reconnected)
    await until(has_fired)


async def test_deliveries_go_on_after_a_restart_of_the_server(real_world, inbox, until):
    broker, got = await real_world.connect(), inbox()
    partition = subjects.partition_of("crash", "w", N)
    consumer = broker.consumer(partition, on_delivery=got.take, on_lost=got.lose)
    await consumer.acquire(owner_is_dead=False)
    invoke = subjects.invoke("crash", "w")
    await broker.journal.publish(invoke, b"before", message_id="1")
    await until(lambda: got.deliveries)
    real_world.server.restart()
    await broker.journal.publish(invoke, b"after", message_id="2")
    await until(lambda: b"after" in got.data)
    assert got.data == [b"before", b"before", b"after"]
    assert got.losses == 0


async def test_a_fence_holds_over_a_restart(real_world):
    broker = await real_world.connect()
    log = subjects.log("crash", "w", N)
    await broker.journal.append(log, b"1", message_id="a", expected_sequence=0)
    real_world.server.restart()
    with pytest.raises(FencedError):
        await broker.journal.append(log, b"2", message_id="b", expected_sequence=0)
