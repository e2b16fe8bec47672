"""Group commit."""

import asyncio

import pytest

from broker.errors import FencedError, UnavailableError
from oplog import limits
from oplog.commit import Marks
from oplog.entries import Log, NoOp, Raw
from oplog.errors import EntryTooLargeError, WriterStoppedError
from oplog.reader import load


def test_what_is_added_in_one_turn_goes_into_one_commit(run, make):
    async def body(world):
        writer = world.writer()

        indices = [writer.add(make.create()), writer.add(NoOp()), writer.add(NoOp())]
        assert writer.busy
        await writer.flush()

        assert indices == [1, 2, 3]
        assert [(commit.first, commit.last) for commit, _ in world.commits] == [(1, 3)]
        assert (writer.last_index, writer.committed_index, writer.busy) == (3, 3, False)
        (message,) = await world.stored()
        assert world.commits[0][1] == message.sequence == writer.head.log_sequence

    run(body)


def test_what_accumulates_during_an_append_goes_into_the_next_commit_together(run, make):
    async def body(world):
        writer = world.writer()
        gate = world.faults.hold_next_append()
        writer.add(make.create())
        await gate.wait_for_arrival()

        writer.add(NoOp())
        await asyncio.sleep(0)
        writer.add(NoOp())
        gate.open()
        await writer.flush()

        assert [(commit.first, commit.last) for commit, _ in world.commits] == [(1, 1), (2, 3)]

    run(body)


def test_what_is_in_no_hurry_travels_with_what_comes_next(run, make):
    async def body(world):
        writer = world.writer()
        writer.add(make.create(), hurry=False)
        for _ in range(10):
            await asyncio.sleep(0)
        assert (world.commits, writer.busy) == ([], True)

        writer.add(NoOp())
        await writer.flush()

        assert [(commit.first, commit.last) for commit, _ in world.commits] == [(1, 2)]

    run(body)


def test_whoever_waits_for_what_is_in_no_hurry_makes_it_go(run, make):
    async def body(world):
        writer = world.writer()
        writer.add(make.create(), hurry=False)

        async with asyncio.timeout(limits.COMPANY_WAIT_S / 2):
            await writer.flush()

        assert writer.committed_index == 1

    run(body)


def test_what_is_in_no_hurry_and_stays_alone_goes_after_a_while(run, make):
    async def body(world):
        writer = world.writer()
        committed = asyncio.get_running_loop().create_future()
        writer.add(make.create(), hurry=False)
        writer.when_committed(1, lambda: committed.set_result(None))

        await committed

        assert [(commit.first, commit.last) for commit, _ in world.commits] == [(1, 1)]

    run(body)


def test_a_stopped_writer_commits_nothing_that_was_in_no_hurry(run, make):
    async def body(world):
        writer = world.writer()
        writer.add(make.create(), hurry=False)
        await writer.close()

        await asyncio.sleep(2 * limits.COMPANY_WAIT_S)

        assert await world.stored() == []

    run(body)


def test_a_commit_is_capped_by_entries_and_carries_the_marks_of_its_last_entry(run, make):
    async def body(world):
        writer = world.writer()
        writer.add(make.create())
        for sequence in range(1, limits.COMMIT_ENTRIES_MAX + 10):
            writer.add(NoOp(), invoked=sequence)
        writer.mark(invoked=9_000, control=8_000)
        await writer.flush()

        (first, _), (second, _) = world.commits
        assert len(first.entries) == limits.COMMIT_ENTRIES_MAX
        assert first.marks == Marks(invoked=limits.COMMIT_ENTRIES_MAX - 1)
        assert len(second.entries) == 10
        assert second.marks == Marks(invoked=9_000, control=8_000)

    run(body)


def test_a_commit_is_capped_by_bytes(run, make):
    async def body(world):
        writer = world.writer()
        writer.add(make.create())
        text = "x" * 40_000
        for _ in range(20):
            writer.add(Log(level="stdout", message=text))
        await writer.flush()

        sizes = [
            sum(len(e.message) for e in c.entries if isinstance(e, Log)) for c, _ in world.commits
        ]
        assert max(sizes) <= limits.COMMIT_BYTES_MAX
        assert len(sizes) == 4

    run(body)


def test_a_mark_alone_causes_no_commit_and_travels_with_the_next(run, make):
    async def body(world):
        writer = world.writer()
        writer.add(make.create(), invoked=5)
        await writer.flush()
        writer.mark(invoked=6)
        await asyncio.sleep(0)
        assert not writer.busy
        assert len(await world.stored()) == 1

        writer.add(NoOp())
        await writer.flush()

        assert (await world.load()).head.marks == Marks(invoked=6)

    run(body)


def test_marks_never_go_back(run, make):
    async def body(world):
        writer = world.writer()
        writer.add(make.create(), invoked=5, control=5)
        with pytest.raises(AssertionError, match="behind 5"):
            writer.mark(invoked=4)
        with pytest.raises(AssertionError, match="behind 5"):
            writer.mark(control=4)
        await writer.close()

    run(body)


def test_the_sent_mark_is_asked_per_commit_and_never_runs_ahead_of_the_log(run, make):
    async def body(world):
        writer = world.writer()
        world.sent = 99
        writer.add(make.create())
        await writer.flush()
        writer.add(NoOp())
        await writer.flush()
        world.sent = 0
        writer.add(NoOp())
        await writer.flush()

        assert [commit.marks.sent for commit, _ in world.commits] == [0, 1, 1]

    run(body)


def test_callbacks_run_in_index_order_after_the_commit_was_announced(run, make):
    async def body(world):
        told = []
        writer = world.writer(on_commit=lambda commit, _: told.append(f"commit {commit.last}"))
        for entry in (make.create(), NoOp(), NoOp()):
            writer.add(entry)
        for index in (3, 1, 2, 1):
            writer.when_committed(index, lambda index=index: told.append(index))
        await writer.wait_committed(3)
        writer.when_committed(2, lambda: told.append("at once"))

        assert told == ["commit 3", 1, 1, 2, 3, "at once"]

    run(body)


def test_a_callback_that_is_added_by_a_callback_waits_for_its_turn(run, make):
    async def body(world):
        told = []
        writer = world.writer()
        writer.add(make.create())
        writer.add(NoOp())

        def first():
            told.append("first")
            writer.when_committed(2, lambda: told.append("late"))
            writer.when_committed(1, lambda: told.append("early"))

        writer.when_committed(1, first)
        writer.when_committed(2, lambda: told.append("second"))
        await writer.flush()

        assert told == ["first", "early", "second", "late"]

    run(body)


def test_a_commit_chain_continues_behind_a_loaded_log(run, make):
    async def body(world):
        log = await world.write([make.create()], [NoOp(), NoOp()])

        writer = world.writer(log.head)
        assert writer.add(NoOp(), invoked=3) == 4
        await writer.flush()

        loaded = await world.load()
        assert [index for index, _, _ in loaded.entries()] == [1, 2, 3, 4]
        assert loaded.head == writer.head
        assert loaded.head.incarnation == "inc1"

    run(body)


def test_a_fenced_writer_fails_once_and_takes_nothing_more(run, make):
    async def body(world):
        log = await world.write([make.create()])
        zombie, owner = world.writer(log.head), world.writer(log.head)
        owner.add(NoOp())
        await owner.flush()

        told = []
        zombie.add(NoOp())
        zombie.add(NoOp())
        zombie.when_committed(2, lambda: told.append("never"))
        with pytest.raises(FencedError):
            await zombie.flush()

        assert [type(error) for error in world.failures] == [FencedError]
        assert told == []
        with pytest.raises(WriterStoppedError, match="has failed"):
            zombie.add(NoOp())
        with pytest.raises(WriterStoppedError, match="has failed"):
            await zombie.wait_committed(3)

    run(body)


def test_a_failed_blob_store_fails_the_writer_before_anything_is_appended(run, make):
    async def body(world):
        writer = world.writer()
        writer.add(make.create())
        await writer.flush()
        world.broker.disconnect()
        writer.add(make.imported(response=b'"' + b"x" * limits.INLINE_BYTES_MAX + b'"'))
        with pytest.raises(UnavailableError):
            await writer.flush()

        assert len(world.failures) == 1
        await world.broker.reconnect()
        assert len(await world.stored()) == 1

    run(body)


def test_a_stopped_writer_drops_what_is_pending_and_calls_nobody(run, make):
    async def body(world):
        told = []
        writer = world.writer(on_commit=lambda *_: told.append("commit"))
        gate = world.faults.hold_next_append()
        writer.add(make.create())
        writer.when_committed(1, lambda: told.append("callback"))
        waiting = asyncio.create_task(writer.wait_committed(1))
        await gate.wait_for_arrival()

        writer.stop()
        gate.open()
        with pytest.raises(WriterStoppedError, match="was stopped"):
            await waiting
        await writer.close()

        assert told == []
        assert world.failures == []
        with pytest.raises(WriterStoppedError, match="was stopped"):
            writer.add(NoOp())
        writer.when_committed(1, lambda: told.append("callback"))
        assert told == []

    run(body)


def test_a_writer_stopped_by_its_own_callback_ends_quietly(run, make):
    async def body(world):
        told = []
        writer = world.writer(on_commit=lambda *_: writer.stop())
        writer.add(make.create())
        writer.when_committed(1, lambda: told.append("callback"))
        with pytest.raises(WriterStoppedError):
            await writer.flush()
        await writer.close()

        assert told == []
        assert writer.committed_index == 1

    run(body)


def test_a_callback_that_raises_fails_the_writer(run, make):
    async def body(world):
        def boom(*_):
            raise RuntimeError("bug")

        writer = world.writer(on_commit=boom)
        writer.add(make.create())
        with pytest.raises(RuntimeError, match="bug"):
            await writer.flush()

        assert [str(error) for error in world.failures] == ["bug"]

    run(body)


def test_a_cancelled_waiter_does_not_disturb_the_writer(run, make):
    async def body(world):
        writer = world.writer()
        gate = world.faults.hold_next_append()
        writer.add(make.create())
        waiting = asyncio.create_task(writer.flush())
        await gate.wait_for_arrival()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        gate.open()
        await writer.flush()

        assert writer.committed_index == 1

    run(body)


def test_an_entry_that_no_commit_can_hold_is_refused_without_a_trace(run, make):
    async def body(world):
        writer = world.writer()
        writer.add(make.create())
        with pytest.raises(EntryTooLargeError, match="'log' has"):
            writer.add(Log(level="stdout", message="x" * limits.ENTRY_BYTES_MAX), invoked=7)
        assert writer.add(NoOp()) == 2
        await writer.flush()

        assert world.commits[0][0].marks.invoked == 0

    run(body)


def test_large_values_lie_in_the_blob_store_and_the_commit_keeps_them_in_hand(run, make):
    async def body(world):
        large = b'"' + b"x" * limits.INLINE_BYTES_MAX + b'"'
        writer = world.writer()
        writer.add(make.create())
        writer.add(make.invoked(params=b"[" + large + b"]"))
        writer.add(make.completed(result=Raw(large)))
        await writer.flush()

        commit, _ = world.commits[0]
        assert commit.entries[2].result == Raw(large)
        (message,) = await world.stored()
        assert len(message.data) < 2_000
        names = await world.blobs.names()
        assert [name.rsplit("-", 1)[0] for name in names] == ["payload/inc1/2", "payload/inc1/3"]

        loaded = await load(world.journal, world.blobs, world.subject)
        entries = [await loaded.internalise(entry) for _, entry, _ in loaded.entries()]
        assert tuple(entries) == commit.entries

    run(body)
