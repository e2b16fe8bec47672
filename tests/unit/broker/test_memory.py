"""What only the in-memory broker does: faults, and time by hand."""

import asyncio

import pytest

from broker import subjects
from broker.errors import FencedError, OutcomeUnknownError, UnavailableError
from broker.memory import LoopClock, ManualClock, MemoryCluster

N = 4
LOG = subjects.log("c", "w", N)
INVOKE = subjects.invoke("c", "w")
PARTITION = subjects.partition_of("c", "w", N)


def cluster():
    clock = ManualClock()
    return MemoryCluster(partitions=N, clock=clock), clock


async def test_a_planned_failure_stores_nothing_and_happens_once():
    world, _ = cluster()
    journal = world.connect().journal
    world.faults.fail_next_append(UnavailableError("planned"), subject="shem.oplog.>")
    await journal.publish(INVOKE, b"not meant")
    with pytest.raises(UnavailableError, match="planned"):
        await journal.append(LOG, b"1", message_id="1", expected_sequence=0)
    assert await journal.last(LOG) is None
    assert await journal.append(LOG, b"1", message_id="1", expected_sequence=0)


@pytest.mark.parametrize("stored", [True, False])
async def test_an_ambiguous_append_is_stored_or_not(stored):
    world, _ = cluster()
    journal = world.connect().journal
    world.faults.make_next_append_ambiguous(stored=stored)
    with pytest.raises(OutcomeUnknownError):
        await journal.append(LOG, b"1", message_id="1", expected_sequence=0)
    assert (await journal.last(LOG) is not None) is stored
    assert await journal.append(LOG, b"1", message_id="1", expected_sequence=0)
    assert len([message async for message in journal.read(LOG)]) == 1


async def test_a_held_append_lets_another_overtake():
    world, _ = cluster()
    journal = world.connect().journal
    gate = world.faults.hold_next_append()
    slow = asyncio.create_task(journal.append(LOG, b"1", message_id="1", expected_sequence=0))
    await gate.wait_for_arrival()
    await journal.append(LOG, b"2", message_id="2", expected_sequence=0)
    gate.open()
    with pytest.raises(FencedError):
        await slow


async def test_a_dropped_delivery_comes_again_after_the_acknowledgement_wait():
    world, clock = cluster()
    broker = world.connect()
    got = []
    consumer = broker.consumer(PARTITION, on_delivery=got.append, on_lost=lambda: None)
    await consumer.acquire(owner_is_dead=False)
    world.faults.drop_deliveries(1)
    await broker.journal.publish(INVOKE, b"1")
    await broker.journal.publish(INVOKE, b"2")
    await asyncio.sleep(0)
    assert [delivery.message.data for delivery in got] == [b"2"]
    consumer.acknowledge(got[0].token)
    clock.advance(30)
    await asyncio.sleep(0)
    assert [delivery.message.data for delivery in got] == [b"2", b"1"]
    assert got[1].redelivered
    # What was missing is told with what came instead of it.
    assert [delivery.missed for delivery in got] == [True, False]


async def test_everything_but_durable_writes_fails_while_disconnected():
    world, _ = cluster()
    broker = world.connect()
    broker.disconnect()
    with pytest.raises(UnavailableError):
        await broker.journal.last(LOG)
    with pytest.raises(UnavailableError):
        await broker.members.get("k")
    with pytest.raises(UnavailableError):
        await broker.journal.publish(INVOKE, b"tried once")
    waiting = asyncio.create_task(broker.journal.publish(INVOKE, b"", message_id="1"))
    await asyncio.sleep(0)
    await broker.reconnect()
    assert (await waiting).sequence == 1


async def test_closing_ends_what_waits_for_the_connection():
    world, _ = cluster()
    broker = world.connect()
    broker.disconnect()
    waiting = asyncio.create_task(
        broker.journal.append(LOG, b"", message_id="1", expected_sequence=0)
    )
    await asyncio.sleep(0)
    await broker.close()
    with pytest.raises(OutcomeUnknownError):
        await waiting


async def test_the_duplicate_window_ends():
    world, clock = cluster()
    journal = world.connect().journal
    await journal.publish(INVOKE, b"", message_id="1")
    clock.advance(119)
    assert (await journal.publish(INVOKE, b"", message_id="1")).duplicate
    clock.advance(2)
    assert not (await journal.publish(INVOKE, b"", message_id="1")).duplicate


async def test_timers_run_in_the_order_of_their_times():
    clock = ManualClock()
    ran = []
    for delay in (3, 1, 2):
        clock.call_at(clock.now_ns() + delay * 10**9, lambda delay=delay: ran.append(delay))
    clock.call_at(clock.now_ns() + 10**9, lambda: ran.append(0)).cancel()
    clock.advance(2.5)
    assert ran == [1, 2]
    clock.advance(1)
    assert ran == [1, 2, 3]


async def test_the_loop_clock_follows_the_event_loop():
    clock = LoopClock()
    fired = asyncio.Event()
    at_ns = clock.now_ns() + 1_000_000
    clock.call_at(at_ns, fired.set)
    await fired.wait()
    assert clock.now_ns() >= at_ns
