"""What every journal does: fences, deduplication, order, schedules."""

import asyncio
from datetime import UTC, datetime

import pytest

from broker import subjects
from broker.errors import FencedError, InternalError, TooLargeError

N = 8
LOG = subjects.log("counter", "alice", N)
MAIL = subjects.mailbox("counter", "alice", N)
INVOKE = subjects.invoke("counter", "alice")


async def test_an_append_behind_the_last_message_is_stored(world):
    journal = (await world.connect()).journal
    first = await journal.append(LOG, b"one", message_id="1", expected_sequence=0)
    second = await journal.append(LOG, b"two", message_id="2", expected_sequence=first)
    assert second > first
    assert [message.data async for message in journal.read(LOG)] == [b"one", b"two"]


async def test_an_append_that_came_second_is_fenced_and_told_by_whom(world):
    journal = (await world.connect()).journal
    winner = await journal.append(LOG, b"ours", message_id="1", expected_sequence=0)
    with pytest.raises(FencedError) as caught:
        await journal.append(LOG, b"theirs", message_id="2", expected_sequence=0)
    assert caught.value.sequence == winner
    assert [message.data async for message in journal.read(LOG)] == [b"ours"]


async def test_of_many_racing_appends_exactly_one_wins(world):
    journal = (await world.connect()).journal
    outcomes = await asyncio.gather(
        *(
            journal.append(LOG, b"%d" % racer, message_id=f"r{racer}", expected_sequence=0)
            for racer in range(20)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, FencedError) for outcome in outcomes) == 19


async def test_the_fence_is_of_the_one_subject_only(world):
    journal = (await world.connect()).journal
    other = subjects.log("counter", "bob", N)
    first = await journal.append(LOG, b"a", message_id="1", expected_sequence=0)
    await journal.append(other, b"b", message_id="2", expected_sequence=0)
    assert await journal.append(LOG, b"c", message_id="3", expected_sequence=first) > first


async def test_an_append_whose_answer_was_lost_is_recognised_as_ours(world, until):
    broker = await world.connect()
    first = await broker.journal.append(LOG, b"one", message_id="1", expected_sequence=0)
    world.lose_next_answer(broker)
    appending = asyncio.create_task(
        broker.journal.append(LOG, b"two", message_id="2", expected_sequence=first)
    )
    watcher = await world.connect()

    async def is_stored():
        return (await watcher.journal.last(LOG)).sequence > first

    await until(is_stored)
    world.cut(broker)
    await world.restore(broker)
    second = await appending
    assert [m.sequence async for m in broker.journal.read(LOG)] == [first, second]


async def test_an_append_during_an_outage_is_stored_afterwards(world):
    broker = await world.connect()
    await broker.journal.append(LOG, b"one", message_id="1", expected_sequence=0)
    world.cut(broker)
    appending = asyncio.create_task(
        broker.journal.append(subjects.log("c", "w", N), b"x", message_id="2", expected_sequence=0)
    )
    await asyncio.sleep(0)
    await world.restore(broker)
    assert await appending > 0


async def test_an_append_that_lost_to_another_writer_during_an_outage_is_fenced(world):
    broker = await world.connect()
    rival = await world.connect()
    world.cut(broker)
    appending = asyncio.create_task(
        broker.journal.append(LOG, b"late", message_id="late", expected_sequence=0)
    )
    await rival.journal.append(LOG, b"first", message_id="first", expected_sequence=0)
    await world.restore(broker)
    with pytest.raises(FencedError):
        await appending


async def test_a_message_follows_an_append_that_is_under_way(world):
    journal = (await world.connect()).journal
    before = await journal.append(LOG, b"0", message_id="0", expected_sequence=0)
    following = asyncio.create_task(journal.follow(INVOKE, b"x", behind="1 a", message_id="f"))
    last = await journal.append(LOG, b"1", message_id="1 a", expected_sequence=before)
    assert await following
    stored = [message async for message in journal.read(MAIL)]
    assert [message.sequence for message in stored] == [last + 1]
    # Its id is known like any other: what is sent again is not stored twice.
    assert (await journal.publish(INVOKE, b"x", message_id="f")).duplicate


async def test_nothing_follows_an_append_that_was_fenced(world):
    journal = (await world.connect()).journal
    await journal.append(LOG, b"ours", message_id="0", expected_sequence=0)
    following = asyncio.create_task(journal.follow(INVOKE, b"x", behind="1", message_id="f"))
    with pytest.raises(FencedError):
        await journal.append(LOG, b"theirs", message_id="1", expected_sequence=0)
    assert not await following
    assert [message async for message in journal.read(MAIL)] == []
    # What was refused may be sent in another way.
    assert not (await journal.publish(INVOKE, b"x", message_id="f")).duplicate


async def test_nothing_follows_where_another_message_has_come_between(world):
    journal = (await world.connect()).journal
    await journal.append(LOG, b"0", message_id="0", expected_sequence=0)
    await journal.publish(INVOKE, b"between")
    assert not await journal.follow(INVOKE, b"x", behind="0", message_id="f")
    assert [message.data async for message in journal.read(MAIL)] == [b"between"]


async def test_a_publish_with_a_known_id_is_a_duplicate(world):
    journal = (await world.connect()).journal
    first = await journal.publish(INVOKE, b"call", message_id="counter/alice:k")
    again = await journal.publish(INVOKE, b"call", message_id="counter/alice:k")
    assert not first.duplicate
    assert again.duplicate
    assert again.sequence == first.sequence
    assert len([m async for m in journal.read(MAIL)]) == 1


@pytest.mark.parametrize("text", ["a b", "line\nbreak", "100%", "ключ", "%0A", "'\"\\{}", " edge "])
async def test_message_ids_may_be_any_text_and_stay_distinct(world, text):
    journal = (await world.connect()).journal
    await journal.publish(INVOKE, b"x", message_id=text)
    assert (await journal.publish(INVOKE, b"x", message_id=text)).duplicate
    assert not (await journal.publish(INVOKE, b"x", message_id=text + "?")).duplicate
    stored = [m async for m in journal.read(MAIL)]
    assert [m.headers["Nats-Msg-Id"] for m in stored] == [text, text + "?"]


async def test_a_publish_without_an_id_is_stored_each_time(world):
    journal = (await world.connect()).journal
    await journal.publish(INVOKE, b"call")
    await journal.publish(INVOKE, b"call")
    assert len([m async for m in journal.read(MAIL)]) == 2


async def test_headers_travel_and_the_brokers_own_do_not_show(world):
    journal = (await world.connect()).journal
    await journal.publish(INVOKE, b"x", message_id="id", headers={"Shem-Key": "k 1: ü"})
    stored = await journal.last(MAIL)
    assert dict(stored.headers) == {"Shem-Key": "k 1: ü", "Nats-Msg-Id": "id"}


async def test_incoming_subjects_are_stored_in_the_workers_mailbox(world):
    journal = (await world.connect()).journal
    await journal.publish(subjects.invoke("my comp", "w.1"), b"i")
    await journal.publish(subjects.reply("my comp", "w.1"), b"r")
    await journal.publish(subjects.control("my comp", "w.1"), b"c")
    mailbox = subjects.mailbox("my comp", "w.1", N)
    stored = [message async for message in journal.read(mailbox)]
    assert [m.data for m in stored] == [b"i", b"r", b"c"]
    assert [m.subject.rpartition(".")[2] for m in stored] == ["invoke", "reply", "control"]


async def test_a_read_starts_where_told_and_crosses_batches_in_order(world):
    journal = (await world.connect()).journal
    acks = await asyncio.gather(*(journal.publish(INVOKE, b"%d" % i) for i in range(2300)))
    sequences = sorted(ack.sequence for ack in acks)
    stored = [m.sequence async for m in journal.read(MAIL, from_sequence=sequences[100])]
    assert stored == sequences[100:]


async def test_a_read_of_nothing_is_empty(world):
    journal = (await world.connect()).journal
    assert [m async for m in journal.read(LOG)] == []
    assert await journal.last(LOG) is None
    assert await journal.last(LOG, leader=True) is None
    assert await journal.get(LOG, 77) is None


@pytest.mark.parametrize("leader", [False, True])
async def test_the_last_message_is_found_by_subject_or_pattern(world, leader):
    journal = (await world.connect()).journal
    await journal.publish(INVOKE, b"first")
    await journal.publish(subjects.reply("counter", "alice"), b"second", message_id="2")
    newest = await journal.last(MAIL, leader=leader)
    assert newest.data == b"second"
    assert newest.headers == {"Nats-Msg-Id": "2"}
    exact = subjects.mailbox("counter", "alice", N, "invoke")
    assert (await journal.last(exact, leader=leader)).data == b"first"
    assert abs(newest.time_ns - world.now_ns()) < 60 * 10**9


async def test_a_message_is_found_by_sequence(world):
    journal = (await world.connect()).journal
    ack = await journal.publish(INVOKE, b"payload", headers={"A": "b"})
    found = await journal.get(INVOKE, ack.sequence)
    assert (found.sequence, found.data, found.headers["A"]) == (ack.sequence, b"payload", "b")


async def test_subjects_are_counted_by_pattern(world):
    journal = (await world.connect()).journal
    await journal.append(LOG, b"1", message_id="1", expected_sequence=0)
    await journal.publish(INVOKE, b"x")
    await journal.publish(INVOKE, b"y")
    counts = await journal.subjects(f"shem.oplog.{subjects.partition_of('counter', 'alice', N)}.>")
    assert counts == {LOG: 1, subjects.mailbox("counter", "alice", N, "invoke"): 2}
    assert await journal.subjects("shem.oplog.*.nobody.*.log") == {}


async def test_a_purge_removes_up_to_and_including_a_sequence(world):
    journal = (await world.connect()).journal
    acks = [await journal.publish(INVOKE, b"%d" % i) for i in range(4)]
    assert await journal.purge(MAIL, up_to_sequence=acks[1].sequence) == 2
    assert [m.data async for m in journal.read(MAIL)] == [b"2", b"3"]
    assert await journal.purge(MAIL) == 2
    assert [m async for m in journal.read(MAIL)] == []


async def test_after_a_purge_an_append_starts_from_nothing(world):
    journal = (await world.connect()).journal
    await journal.append(LOG, b"old", message_id="1", expected_sequence=0)
    await journal.purge(LOG)
    assert await journal.append(LOG, b"new", message_id="2", expected_sequence=0) > 1


async def test_a_message_is_removed_by_sequence_and_the_ones_around_it_stay(world):
    journal = (await world.connect()).journal
    first = await journal.append(LOG, b"1", message_id="r1", expected_sequence=0)
    second = await journal.append(LOG, b"2", message_id="r2", expected_sequence=first)
    third = await journal.append(LOG, b"3", message_id="r3", expected_sequence=second)

    await journal.remove(LOG, second)
    await journal.remove(LOG, second)

    assert [message.sequence async for message in journal.read(LOG)] == [first, third]
    await journal.remove(LOG, third)
    await journal.append(LOG, b"4", message_id="r4", expected_sequence=first)


async def test_a_message_above_the_limit_is_refused_and_the_connection_lives(world):
    broker = await world.connect()
    big = bytes(broker.payload_bytes_max + 1)
    with pytest.raises(TooLargeError):
        await broker.journal.append(LOG, big, message_id="1", expected_sequence=0)
    assert await broker.journal.append(LOG, b"ok", message_id="2", expected_sequence=0)


async def test_a_subject_that_no_stream_takes_in_is_our_bug(world):
    journal = (await world.connect()).journal
    with pytest.raises(InternalError, match="no stream takes in"):
        await journal.publish("elsewhere.x", b"", message_id="1")


async def test_a_large_message_is_stored_whole(world):
    journal = (await world.connect()).journal
    data = bytes(range(256)) * 4096
    await journal.append(LOG, data, message_id="1", expected_sequence=0)
    assert (await journal.last(LOG, leader=True)).data == data
    assert [m.data async for m in journal.read(LOG)] == [data]


async def test_a_schedule_fires_at_its_target_not_before_its_time(world, until):
    broker = await world.connect()
    at_ns = world.now_ns() + 600_000_000
    await broker.journal.schedule(
        subjects.schedule("counter", "alice", "7"),
        b"wake",
        target=subjects.reply("counter", "alice"),
        at_ns=at_ns,
        message_id="inc:7",
        headers={"Shem-Id": "inc:7"},
    )
    assert await broker.journal.last(MAIL) is None
    await world.pass_time(0.7)
    await until(lambda: broker.journal.last(MAIL))
    fired = await broker.journal.last(MAIL)
    assert fired.data == b"wake"
    assert fired.headers["Shem-Id"] == "inc:7"
    assert fired.subject.endswith(".in.reply")
    assert fired.time_ns >= at_ns
    assert await broker.journal.subjects("shem.sched.*.*.*") == {}


async def test_a_purged_schedule_does_not_fire(world, until):
    journal = (await world.connect()).journal
    soon = world.now_ns() + 300_000_000
    for name in ("1", "2"):
        await journal.schedule(
            subjects.schedule("counter", "alice", name),
            name.encode(),
            target=INVOKE,
            at_ns=soon,
        )
    assert await journal.purge(subjects.schedule("counter", "alice", "1")) == 1
    await world.pass_time(0.4)
    await until(lambda: journal.last(MAIL))
    assert [m.data async for m in journal.read(MAIL)] == [b"2"]


async def test_a_schedule_published_again_replaces_the_first(world, until):
    journal = (await world.connect()).journal
    name = subjects.schedule("counter", "alice", "1")
    soon = world.now_ns() + 400_000_000
    await journal.schedule(name, b"old", target=INVOKE, at_ns=soon)
    await journal.schedule(name, b"new", target=INVOKE, at_ns=soon)
    await world.pass_time(0.5)
    await until(lambda: journal.last(MAIL))
    assert [m.data async for m in journal.read(MAIL)] == [b"new"]


async def test_what_is_left_in_the_place_of_a_schedule_stays_there(world):
    journal = (await world.connect()).journal
    name = subjects.schedule("counter", "alice", "1")
    await journal.schedule(name, b"soon", target=INVOKE, at_ns=world.now_ns() + 3 * 10**9)
    async with asyncio.timeout(10):
        await journal.purge(name)
        await journal.publish(name, b"held", message_id="1", headers={"Shem-Hold": "pause"})
    left = await journal.last(name)
    assert (left.subject, left.data, left.headers["Shem-Hold"]) == (name, b"held", "pause")
    assert await journal.subjects(subjects.schedule("counter", None, "*")) == {name: 1}


async def test_a_schedule_in_the_past_fires_soon(world, until):
    journal = (await world.connect()).journal
    name = subjects.schedule("counter", "alice", "1")
    await journal.schedule(name, b"late", target=INVOKE, at_ns=world.now_ns() - 10**12)
    await world.pass_time(0.1)
    await until(lambda: journal.last(MAIL))


@pytest.mark.parametrize("year", [2263, 9999])
async def test_a_schedule_of_a_time_beyond_all_clocks_does_not_fire_at_once(world, until, year):
    journal = (await world.connect()).journal
    never = subjects.schedule("counter", "alice", "never")
    at_ns = int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 10**9
    await journal.schedule(never, b"never", target=INVOKE, at_ns=at_ns)
    soon = world.now_ns() + 400_000_000
    name = subjects.schedule("counter", "alice", "soon")
    await journal.schedule(name, b"soon", target=INVOKE, at_ns=soon)
    await world.pass_time(0.5)
    await until(lambda: journal.last(MAIL))
    assert [m.data async for m in journal.read(MAIL)] == [b"soon"]
    assert list(await journal.subjects(never)) == [never]


async def test_a_schedule_before_all_clocks_fires_soon(world, until):
    journal = (await world.connect()).journal
    name = subjects.schedule("counter", "alice", "1")
    at_ns = int(datetime(1, 1, 1, tzinfo=UTC).timestamp()) * 10**9
    await journal.schedule(name, b"late", target=INVOKE, at_ns=at_ns)
    await world.pass_time(0.1)
    await until(lambda: journal.last(MAIL))


async def test_the_end_is_the_last_sequence_given_out_whatever_is_left(world):
    broker = await world.connect()
    at = subjects.partition_of("c", "end", N)
    assert await broker.journal.end(at) >= 0
    first = await broker.journal.publish("shem.invoke.c.end", b"1", message_id="end-1")
    second = await broker.journal.publish("shem.invoke.c.end", b"2", message_id="end-2")
    assert await broker.journal.end(at) == second.sequence
    await broker.journal.remove("shem.invoke.c.end", second.sequence)
    assert await broker.journal.end(at) == second.sequence > first.sequence
