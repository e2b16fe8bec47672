"""Reading a log back, whole or damaged."""

import gc

import pytest

from broker.errors import FencedError
from oplog import payloads
from oplog.codec import encode
from oplog.commit import GENESIS_HASH, Head, Marks
from oplog.entries import Deleted, NoOp, Raw
from oplog.errors import CorruptLogError
from oplog.headers import peek
from oplog.limits import INLINE_BYTES_MAX
from oplog.reader import StoredCommit
from oplog.tombstone import bury


async def put(world, encoded, number):
    """Store bytes as they are, behind whatever is there."""
    last = await world.journal.last(world.subject)
    await world.journal.append(
        world.subject,
        encoded.data,
        message_id=f"raw-{number}",
        expected_sequence=last.sequence if last else 0,
        headers=encoded.headers,
    )


def test_an_empty_log_has_an_empty_head(run):
    async def body(world):
        log = await world.load()

        assert log.head == Head()
        assert not log.deleted
        assert list(log.commits()) == []

    run(body)


def test_a_log_is_read_back_with_the_sequences_of_its_commits(run, make):
    async def body(world):
        log = await world.write([make.create(), NoOp()], [NoOp()], [NoOp(), NoOp()])

        sequences = [message.sequence for message in await world.stored()]
        assert [sequence for _, sequence in log.commits()] == sequences
        assert [index for index, _, _ in log.entries()] == [1, 2, 3, 4, 5]
        assert [index for index, _, _ in log.entries(after=3)] == [4, 5]
        assert [commit.first for commit, _ in log.commits(after=2)] == [3, 4]

    run(body)


def in_memory():
    return sum(type(each) is StoredCommit for each in gc.get_objects())


def test_what_is_taken_for_replay_is_let_go_commit_by_commit(run, make):
    async def body(world):
        log = await world.write([make.create(), NoOp()], [NoOp()], [NoOp(), NoOp()])
        expected = list(log.commits())
        before = in_memory()

        taken = []
        for commit in log.taken():
            taken.append(commit)
            # The one that was decoded just now goes when the next is asked for.
            assert in_memory() == before - len(taken) + 1
        assert taken == expected
        assert log.stored == ()
        assert in_memory() == before - 3
        assert log.head.last_index == 5

    run(body)


def test_a_missing_commit_is_a_hole(run, make):
    async def body(world):
        first = encode(1, (make.create(),), Marks(), GENESIS_HASH)
        second = encode(2, (NoOp(),), Marks(), first.hash)
        third = encode(3, (NoOp(),), Marks(), second.hash)
        await put(world, first, 1)
        await put(world, third, 3)

        with pytest.raises(CorruptLogError, match=r"hole: .* entry 3 where 2 should follow"):
            await world.load()

    run(body)


def test_a_log_without_its_beginning_is_corrupt(run):
    async def body(world):
        await put(world, encode(2, (NoOp(),), Marks(), "aa"), 1)

        with pytest.raises(CorruptLogError, match="begins with entry 2"):
            await world.load()

    run(body)


def test_a_log_that_does_not_begin_with_create_is_corrupt(run):
    async def body(world):
        await put(world, encode(1, (NoOp(),), Marks(), GENESIS_HASH), 1)

        with pytest.raises(CorruptLogError, match="begins with NoOp instead of create"):
            await world.load()

    run(body)


def test_a_commit_of_another_history_breaks_the_chain_when_it_is_reached(run, make):
    async def body(world):
        first = encode(1, (make.create(),), Marks(), GENESIS_HASH)
        foreign = encode(2, (NoOp(),), Marks(), "f" * 32)
        third = encode(3, (NoOp(),), Marks(), foreign.hash)
        for number, encoded in enumerate((first, foreign, third)):
            await put(world, encoded, number)

        log = await world.load()
        commits = log.commits()
        assert next(commits)[0].last == 1
        with pytest.raises(CorruptLogError, match="follows one with the hash ffff"):
            next(commits)

    run(body)


def test_a_damaged_last_commit_is_noticed_at_load(run, make):
    async def body(world):
        first = encode(1, (make.create(),), Marks(), GENESIS_HASH)
        await put(world, first, 1)
        await put(world, encode(2, (NoOp(),), Marks(), "f" * 32), 2)

        with pytest.raises(CorruptLogError, match="follows one with the hash ffff"):
            await world.load()

    run(body)


def test_watermarks_that_go_back_are_corrupt(run, make):
    async def body(world):
        first = encode(1, (make.create(),), Marks(invoked=5), GENESIS_HASH)
        await put(world, first, 1)
        await put(world, encode(2, (NoOp(),), Marks(invoked=4), first.hash), 2)

        with pytest.raises(CorruptLogError, match="watermarks go back"):
            await world.load()

    run(body)


def test_a_tombstone_keeps_the_watermarks_and_nothing_else(run, make):
    async def body(world):
        log = await world.write([make.create()], [NoOp()])

        head = await bury(
            world.journal,
            subject=world.subject,
            head=log.head,
            marks=Marks(invoked=90, control=91, sent=2),
            message_id="grave-1",
            at_ms=5,
        )

        (message,) = await world.stored()
        assert peek(message.headers).is_tombstone
        reloaded = await world.load()
        assert reloaded.deleted
        assert (
            reloaded.head
            == head
            == Head(0, head.hash, message.sequence, Marks(invoked=90, control=91))
        )
        assert list(reloaded.commits()) == []

    run(body)


def test_a_worker_begins_with_entry_1_behind_its_tombstone(run, make):
    async def body(world):
        log = await world.write([make.create()], [NoOp()])
        head = await bury(
            world.journal,
            subject=world.subject,
            head=log.head,
            marks=Marks(invoked=90),
            message_id="grave-1",
            at_ms=5,
        )

        again = await world.write([make.create(incarnation="inc2"), NoOp()], head=head)

        assert not again.deleted
        assert again.head.incarnation == "inc2"
        assert again.head.marks == Marks(invoked=90)
        assert [type(e).__name__ for _, e, _ in again.entries()] == ["Create", "NoOp"]

    run(body)


def test_what_a_crash_leaves_before_a_tombstone_is_passed_over(run, make):
    async def body(world):
        log = await world.write([make.create()], [NoOp()])
        grave = encode(0, (Deleted(incarnation="inc1"),), Marks(invoked=9), log.head.hash)
        await put(world, grave, 1)

        assert len(await world.stored()) == 3
        reloaded = await world.load()
        assert (reloaded.deleted, reloaded.head.last_index) == (True, 0)

    run(body)


def test_a_tombstone_with_other_entries_is_corrupt(run):
    async def body(world):
        await put(world, encode(0, (NoOp(),), Marks(), GENESIS_HASH), 1)

        with pytest.raises(CorruptLogError, match="must hold one entry of type 'deleted'"):
            await world.load()

    run(body)


def test_a_late_owner_cannot_bury_a_worker(run, make):
    async def body(world):
        log = await world.write([make.create()])
        await world.write([NoOp()], head=log.head)

        with pytest.raises(FencedError):
            await bury(
                world.journal,
                subject=world.subject,
                head=log.head,
                marks=log.head.marks,
                message_id="grave-1",
                at_ms=5,
            )
        assert (await world.load()).head.last_index == 2

    run(body)


def test_a_lost_payload_is_named(run, make):
    async def body(world):
        large = Raw(b'"' + b"x" * INLINE_BYTES_MAX + b'"')
        log = await world.write([make.create(), make.imported(response=bytes(large))])
        (name,) = await world.blobs.names()
        entry = list(log.entries())[1][1]
        assert payloads.is_reference(entry.response)
        assert await payloads.fetch(entry.response, world.blobs) == large

        await world.blobs.put(name, b'"other"')
        with pytest.raises(CorruptLogError, match="has 7 bytes with SHA-256"):
            await log.internalise(entry)
        await world.blobs.delete(name)
        with pytest.raises(CorruptLogError, match="is not in the blob store"):
            await log.internalise(entry)

    run(body)


def test_a_value_that_imitates_a_reference_stays_a_value(run, make):
    async def body(world):
        sly = b'{"$blob":"component/secret","size":1,"sha256":"00"}'
        log = await world.write([make.create(), make.imported(response=sly)])

        entry = list(log.entries())[1][1]
        assert (await log.internalise(entry)).response == Raw(sly)

    run(body)


def test_a_late_owner_cannot_change_a_payload_of_the_new_owner(run, make):
    async def body(world):
        log = await world.write([make.create()])
        zombie, owner = world.writer(log.head), world.writer(log.head)
        gate = world.faults.hold_next_append()

        def answer(letter):
            return make.imported(response=b'"' + letter * INLINE_BYTES_MAX + b'"')

        zombie.add(answer(b"z"))
        await gate.wait_for_arrival()
        owner.add(answer(b"o"))
        await owner.flush()
        gate.open()
        with pytest.raises(FencedError):
            await zombie.flush()

        loaded = await world.load()
        entry = list(loaded.entries())[1][1]
        assert await loaded.internalise(entry) == answer(b"o")

    run(body)


def test_all_payloads_of_an_incarnation_are_swept_and_no_others(run, make):
    async def body(world):
        large = b'"' + b"x" * INLINE_BYTES_MAX + b'"'
        await world.write([make.create(), make.imported(response=large)])
        await world.blobs.put("payload/inc10/2-ff", b"1")

        assert await payloads.sweep(world.blobs, "inc1") == 1
        assert await world.blobs.names() == ["payload/inc10/2-ff"]

    run(body)
