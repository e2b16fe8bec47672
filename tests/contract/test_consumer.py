"""What every consumer does: order, redelivery, takeover."""

import asyncio
import contextlib

import pytest

from broker import subjects

N = 8
WORKER = ("counter", "alice")
PARTITION = subjects.partition_of(*WORKER, N)
INVOKE = subjects.invoke(*WORKER)


async def publish(broker, *payloads):
    for payload in payloads:
        await broker.journal.publish(INVOKE, payload, message_id=payload.decode())


def consumer_of(broker, inbox):
    return broker.consumer(PARTITION, on_delivery=inbox.take, on_lost=inbox.lose)


async def test_deliveries_come_in_order_with_all_that_is_known_of_them(world, inbox, until):
    broker, got = await world.connect(), inbox()
    consumer = consumer_of(broker, got)
    await publish(broker, b"before")
    await consumer.acquire(owner_is_dead=False)
    await publish(broker, b"after", b"later")
    await until(lambda: len(got.deliveries) == 3)
    assert got.data == [b"before", b"after", b"later"]
    first = got.deliveries[0]
    assert first.message == await broker.journal.get(INVOKE, first.message.sequence)
    assert not first.redelivered


async def test_only_mailboxes_of_the_partition_are_delivered(world, inbox, until):
    broker, got = await world.connect(), inbox()
    consumer = consumer_of(broker, got)
    await consumer.acquire(owner_is_dead=False)
    elsewhere = next(
        name
        for name in map(str, range(100))
        if subjects.partition_of("counter", name, N) != PARTITION
    )
    await broker.journal.publish(subjects.invoke("counter", elsewhere), b"other")
    log = subjects.log(*WORKER, N)
    await broker.journal.append(log, b"log", message_id="l", expected_sequence=0)
    await publish(broker, b"ours")
    await until(lambda: got.deliveries)
    assert got.data == [b"ours"]


async def test_many_messages_all_arrive_in_order(world, inbox, until):
    broker, got = await world.connect(), inbox()
    consumer = consumer_of(broker, got)
    await consumer.acquire(owner_is_dead=False)
    await asyncio.gather(*(broker.journal.publish(INVOKE, b"%d" % i) for i in range(1500)))
    await until(lambda: len(got.deliveries) >= 1500)
    sequences = [delivery.message.sequence for delivery in got.deliveries]
    assert sequences == sorted(set(sequences))


async def test_what_comes_first_long_after_a_quiet_takeover_comes_once(world, inbox, until):
    broker, got = await world.connect(), inbox()
    consumer = consumer_of(broker, got)
    await consumer.acquire(owner_is_dead=False)
    # Longer than a pull lasts: another client could have been pinned in between.
    await asyncio.sleep(1.2)
    for number in range(20):
        await publish(broker, b"%d" % number)
        await until(lambda number=number: b"%d" % number in got.data)
    assert got.data == [b"%d" % number for number in range(20)]
    assert not any(delivery.missed for delivery in got.deliveries)


async def test_acquiring_again_delivers_the_unacknowledged_in_order(world, inbox, until):
    broker, got = await world.connect(), inbox()
    consumer = consumer_of(broker, got)
    await consumer.acquire(owner_is_dead=False)
    await publish(broker, b"a", b"b", b"c")
    await until(lambda: len(got.deliveries) == 3)
    consumer.acknowledge(got.deliveries[0].token)
    await broker.signals.subscribe("flush", lambda _: None)
    await consumer.release()
    again = inbox()
    successor = consumer_of(broker, again)
    await successor.acquire(owner_is_dead=False)
    await until(lambda: len(again.deliveries) == 2)
    assert again.data == [b"b", b"c"]


async def test_a_token_still_acknowledges_after_a_takeover(world, inbox, until):
    first, second = await world.connect(), await world.connect()
    old, new, last = inbox(), inbox(), inbox()
    owner = consumer_of(first, old)
    await owner.acquire(owner_is_dead=False)
    await publish(first, b"a", b"b")
    await until(lambda: len(old.deliveries) == 2)
    successor = consumer_of(second, new)
    await successor.acquire(owner_is_dead=True)
    await until(lambda: len(new.deliveries) == 2)
    owner.acknowledge(old.deliveries[0].token)
    await first.signals.subscribe("flush", lambda _: None)
    await successor.release()
    third = consumer_of(second, last)
    await third.acquire(owner_is_dead=False)
    await until(lambda: last.deliveries)
    assert last.data == [b"b"]


async def test_a_released_partition_goes_to_the_next_at_once(world, inbox, until):
    first, second = await world.connect(), await world.connect()
    old, new = inbox(), inbox()
    owner = consumer_of(first, old)
    await owner.acquire(owner_is_dead=False)
    await publish(first, b"a")
    await until(lambda: old.deliveries)
    successor = consumer_of(second, new)
    waiting = asyncio.create_task(successor.acquire(owner_is_dead=False))
    await publish(first, b"b")
    await until(lambda: len(old.deliveries) == 2)
    assert not waiting.done()
    assert not new.deliveries
    await owner.release()
    await waiting
    await until(lambda: len(new.deliveries) == 2)
    assert new.data == [b"a", b"b"]
    assert old.losses == 0


async def test_a_dead_owners_partition_is_taken_at_once(world, inbox, until):
    first, second = await world.connect(), await world.connect()
    old, new = inbox(), inbox()
    owner = consumer_of(first, old)
    await owner.acquire(owner_is_dead=False)
    await publish(second, b"a", b"b")
    await until(lambda: len(old.deliveries) == 2)
    world.cut(first)
    successor = consumer_of(second, new)
    async with asyncio.timeout(1.5):
        await successor.acquire(owner_is_dead=True)
        await until(lambda: len(new.deliveries) == 2)
    assert new.data == [b"a", b"b"]


async def test_a_silent_owners_partition_is_free_after_a_while(world, inbox, until):
    first, second = await world.connect(), await world.connect()
    old, new = inbox(), inbox()
    owner = consumer_of(first, old)
    await owner.acquire(owner_is_dead=False)
    await publish(first, b"a")
    await until(lambda: old.deliveries)
    owner.stop()
    successor = consumer_of(second, new)
    waiting = asyncio.create_task(successor.acquire(owner_is_dead=False))
    await asyncio.sleep(0)
    assert not waiting.done()
    await world.pass_time(2.5)
    await waiting
    await until(lambda: new.deliveries)
    assert new.data == [b"a"]


async def test_the_owner_hears_that_another_has_taken_over(world, inbox, until):
    first, second = await world.connect(), await world.connect()
    old, new = inbox(), inbox()
    await consumer_of(first, old).acquire(owner_is_dead=False)
    await publish(first, b"a")
    await until(lambda: old.deliveries)
    await consumer_of(second, new).acquire(owner_is_dead=True)
    await until(lambda: new.deliveries and old.losses)
    assert old.losses == 1
    assert new.losses == 0
    await publish(second, b"b")
    await until(lambda: len(new.deliveries) == 2)
    assert old.data == [b"a"]


async def test_a_stopped_consumer_delivers_nothing_and_may_acquire_again(world, inbox, until):
    broker, got = await world.connect(), inbox()
    consumer = consumer_of(broker, got)
    await consumer.acquire(owner_is_dead=False)
    await publish(broker, b"a")
    await until(lambda: got.deliveries)
    consumer.stop()
    await publish(broker, b"b")
    await consumer.acquire(owner_is_dead=True)
    await until(lambda: len(got.deliveries) == 3)
    assert got.data == [b"a", b"a", b"b"]


async def test_after_a_lost_connection_the_unacknowledged_come_again(world, inbox, until):
    broker, other, got = await world.connect(), await world.connect(), inbox()
    consumer = consumer_of(broker, got)
    await consumer.acquire(owner_is_dead=False)
    reconnected = []

    async def hook():
        reconnected.append(True)

    broker.on_reconnect(hook)
    await publish(broker, b"a", b"b")
    await until(lambda: len(got.deliveries) == 2)
    consumer.acknowledge(got.deliveries[0].token)
    await broker.signals.subscribe("flush", lambda _: None)
    world.cut(broker)
    await publish(other, b"c")
    await world.restore(broker)
    await until(lambda: got.data[-1:] == [b"c"])
    assert got.data == [b"a", b"b", b"b", b"c"]
    assert reconnected == [True]
    assert got.losses == 0


async def test_an_owner_that_was_replaced_while_cut_off_hears_it_on_return(world, inbox, until):
    first, second = await world.connect(), await world.connect()
    old, new = inbox(), inbox()
    await consumer_of(first, old).acquire(owner_is_dead=False)
    await publish(first, b"a")
    await until(lambda: old.deliveries)
    world.cut(first)
    await consumer_of(second, new).acquire(owner_is_dead=True)
    await until(lambda: new.deliveries)
    await world.restore(first)
    await until(lambda: old.losses == 1)
    await publish(second, b"b")
    await until(lambda: new.data == [b"a", b"b"])
    assert old.data == [b"a"]


async def test_purged_messages_are_not_delivered(world, inbox, until):
    broker, got = await world.connect(), inbox()
    await publish(broker, b"a", b"b")
    await broker.journal.purge(subjects.mailbox(*WORKER, N))
    await publish(broker, b"c")
    await consumer_of(broker, got).acquire(owner_is_dead=False)
    await until(lambda: got.deliveries)
    assert got.data == [b"c"]


async def test_acquiring_can_be_given_up(world, inbox):
    first, second = await world.connect(), await world.connect()
    await consumer_of(first, inbox()).acquire(owner_is_dead=False)
    await publish(first, b"a")
    waiting = asyncio.create_task(consumer_of(second, inbox()).acquire(owner_is_dead=False))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    assert waiting.cancelled()


@pytest.mark.parametrize("had_messages", [True, False])
async def test_a_frozen_owner_is_replaced_and_wakes_up_to_nothing(
    lean_world, inbox, until, had_messages
):
    first, second = await lean_world.connect(), await lean_world.connect()
    old, new = inbox(), inbox()
    await consumer_of(first, old).acquire(owner_is_dead=False)
    if had_messages:
        await publish(first, b"a")
        await until(lambda: old.deliveries)
    known = list(old.deliveries)
    lean_world.proxy(first).passing.clear()
    # Longer than a pull lasts, as an owner has to be silent before others call it dead.
    await asyncio.sleep(2.2)
    await consumer_of(second, new).acquire(owner_is_dead=True)
    await publish(second, b"b")
    await until(lambda: b"b" in new.data)
    lean_world.proxy(first).passing.set()
    for number in range(20):
        await publish(second, b"more %d" % number)
        await asyncio.sleep(0.02)
    await until(lambda: b"more 19" in new.data)
    assert new.data == [b"a"] * had_messages + [b"b", *(b"more %d" % n for n in range(20))]
    assert old.deliveries == known
    await publish(second, b"last")
    await until(lambda: old.losses == had_messages)


async def test_a_frozen_owner_whom_nobody_replaced_goes_on(lean_world, inbox, until):
    first, second = await lean_world.connect(), await lean_world.connect()
    old = inbox()
    await consumer_of(first, old).acquire(owner_is_dead=False)
    await publish(first, b"a")
    await until(lambda: old.deliveries)
    lean_world.proxy(first).passing.clear()
    # Longer than the server keeps a pin of which it hears nothing.
    await asyncio.sleep(2.5)
    await publish(second, b"b")
    lean_world.proxy(first).passing.set()
    for number in range(20):
        await publish(second, b"more %d" % number)
        await asyncio.sleep(0.02)
    await until(lambda: b"more 19" in old.data)
    assert old.losses == 0
    # What was not acknowledged comes again, the rest in its order.
    again = [data for data in old.data if data != b"a"]
    assert list(dict.fromkeys(again)) == [b"b", *(b"more %d" % number for number in range(20))]
