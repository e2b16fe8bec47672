"""What core messages do."""

import asyncio

import pytest

from broker.errors import UnavailableError


async def test_everyone_interested_receives_with_headers(world, until):
    first, second = await world.connect(), await world.connect()
    seen, all_ = [], []
    await first.signals.subscribe("shem.result.c.w", seen.append)
    await second.signals.subscribe("shem.result.>", all_.append)
    first.signals.publish("shem.result.c.w", b"1", headers={"Shem-Key": "k"})
    await until(lambda: seen and all_)
    for note in (seen[0], all_[0]):
        assert (note.subject, note.data, dict(note.headers)) == (
            "shem.result.c.w",
            b"1",
            {"Shem-Key": "k"},
        )


async def test_messages_of_one_sender_keep_their_order(world, until):
    broker = await world.connect()
    seen = []
    await broker.signals.subscribe("order.*", seen.append)
    for number in range(500):
        broker.signals.publish("order.x", b"%d" % number)
    await until(lambda: len(seen) == 500)
    assert [int(note.data) for note in seen] == list(range(500))


async def test_a_request_is_answered(world):
    server, client = await world.connect(), await world.connect()

    def answer(request):
        server.signals.publish(
            request.reply_to, request.data.upper(), headers={"Saw": request.headers["Shem-Key"]}
        )

    await server.signals.serve("shem.api.echo", answer, group="g")
    note = await client.signals.request(
        "shem.api.echo", b"abc", headers={"Shem-Key": "k"}, timeout_s=5
    )
    assert note.data == b"ABC"
    assert note.headers["Saw"] == "k"


async def test_a_request_that_nobody_serves_fails_at_once(world):
    broker = await world.connect()
    with pytest.raises(UnavailableError):
        async with asyncio.timeout(3):
            await broker.signals.request("nobody.home", b"", timeout_s=30)


async def test_a_request_without_an_answer_times_out(world):
    broker = await world.connect()
    await broker.signals.serve("deaf", lambda _: None, group="g")
    with pytest.raises(UnavailableError):
        await broker.signals.request("deaf", b"", timeout_s=0.05)


async def test_of_a_group_one_receives_each_request(world, until):
    broker = await world.connect()
    seen = []
    for _ in range(3):
        await broker.signals.serve("shared", seen.append, group="g")
    done = []
    await broker.signals.subscribe("end", done.append)
    for number in range(30):
        broker.signals.publish("shared", b"%d" % number)
    broker.signals.publish("end", b"")
    await until(lambda: done and len(seen) >= 30)
    assert sorted(int(request.data) for request in seen) == list(range(30))


async def test_a_closed_subscription_is_silent(world, until):
    broker = await world.connect()
    closed, open_ = [], []
    subscription = await broker.signals.subscribe("s", closed.append)
    await broker.signals.subscribe("s", open_.append)
    await subscription.close()
    broker.signals.publish("s", b"")
    await until(lambda: open_)
    assert not closed


async def test_subscriptions_survive_a_reconnection(world, until):
    broker, other = await world.connect(), await world.connect()
    seen, up = [], []
    await broker.signals.subscribe("s", seen.append)

    async def hook():
        up.append(True)

    broker.on_reconnect(hook)
    world.cut(broker)
    await world.restore(broker)
    await until(lambda: up)
    other.signals.publish("s", b"after")
    await until(lambda: seen)
    assert seen[0].data == b"after"


async def test_an_inbox_is_new_each_time_and_receives(world, until):
    broker = await world.connect()
    seen = []
    mine, another = broker.signals.inbox(), broker.signals.inbox()
    assert mine != another
    await broker.signals.subscribe(mine, seen.append)
    broker.signals.publish(another, b"not mine")
    broker.signals.publish(mine, b"mine")
    await until(lambda: seen)
    assert [note.data for note in seen] == [b"mine"]


async def test_publishing_while_cut_off_is_silently_lost(world, until):
    broker, other = await world.connect(), await world.connect()
    seen, up = [], []
    await other.signals.subscribe("s", seen.append)

    async def hook():
        up.append(True)

    broker.on_reconnect(hook)
    world.cut(broker)
    while True:
        try:
            await broker.signals.request("s", b"lost", timeout_s=0.1)
        except UnavailableError:
            break
    broker.signals.publish("s", b"lost")
    await world.restore(broker)
    await until(lambda: up)
    broker.signals.publish("s", b"kept")
    await until(lambda: any(note.data == b"kept" for note in seen))
    assert [note.data for note in seen] == [b"kept"]
