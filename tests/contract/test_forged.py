"""Schedules that nobody may have made: what they publish counts for nothing."""

import asyncio
import time

import nats
import pytest

from broker import subjects
from broker.errors import FencedError
from broker.jetstream.connect import ConnectOptions, connect

N = 2
LOG = subjects.log("counter", "alice", N)
CONTROL = subjects.control("counter", "alice")
INVOKE = subjects.invoke("counter", "alice")


async def forge(url: str, target: str) -> None:
    """Have the server publish to `target`, as somebody who may publish invocations alone."""
    client = await nats.connect(url)
    in_a_second = time.strftime("@at %Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
    headers = {"Nats-Schedule": in_a_second, "Nats-Schedule-Target": target}
    await client.jetstream().publish(INVOKE, b"forged", headers=headers)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = await client.jetstream().stream_info("SHEM_OPLOG", subjects_filter=">")
        if not any(name.endswith(".in.invoke") for name in found.state.subjects or {}):
            await client.close()
            return
        await asyncio.sleep(0.05)
    pytest.fail("the schedule did not fire")


async def test_a_log_that_a_schedule_wrote_into_is_read_without_it_and_goes_on(make_nats_server):
    server = make_nats_server("")
    broker = await connect(ConnectOptions(servers=(server.url,), partitions=N))
    journal = broker.journal
    first = await journal.append(LOG, b"ours", message_id="1", expected_sequence=0)
    await forge(server.url, LOG)

    # The owner is fenced once, reads its log anew, and goes on.
    with pytest.raises(FencedError):
        await journal.append(LOG, b"next", message_id="2", expected_sequence=first)
    assert [message.data async for message in journal.read(LOG)] == [b"ours"]
    assert (await journal.last(LOG)).data == b"ours"
    assert await journal.append(LOG, b"next", message_id="3", expected_sequence=first)
    await broker.close()


async def test_a_command_that_a_schedule_published_is_neither_delivered_nor_read(make_nats_server):
    server = make_nats_server("")
    broker = await connect(ConnectOptions(servers=(server.url,), partitions=N))
    number = subjects.partition_of("counter", "alice", N)
    heard = []
    honest = asyncio.Event()

    def take(delivery):
        heard.append(delivery.message)
        if delivery.message.data == b"honest":
            honest.set()

    consumer = broker.consumer(number, on_delivery=take, on_lost=lambda: None)
    await consumer.acquire(owner_is_dead=False)

    await forge(server.url, CONTROL)
    await broker.journal.publish(INVOKE, b"honest")

    async with asyncio.timeout(20):
        await honest.wait()
    # The message with the schedule in it is an invocation like any other; it is only once.
    assert {message.subject.rpartition(".")[2] for message in heard} == {"invoke"}
    mail = subjects.mailbox("counter", "alice", N)
    assert [message.data async for message in broker.journal.read(mail)] == [b"honest"]
    await broker.close()
