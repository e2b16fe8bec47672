"""Verifying all logs of a broker, and cutting a damaged one back to what is intact."""

import asyncio

import pytest

from broker import subjects
from broker.memory import MemoryCluster
from oplog.codec import encode
from oplog.commit import GENESIS_HASH, Marks
from oplog.entries import Create, NoOp
from oplog.reader import load
from shem.errors import RefusedError
from shem.verification import cut, verify


async def write(broker, worker, commits, *, damage_at=None):
    """Store a log of small commits; one of them may have a body that is not what was hashed."""
    subject = subjects.log("counter", worker, broker.partitions)
    created = Create(incarnation="i", component="counter", worker=worker, component_version=0)
    encoded = encode(1, (created,), Marks(), GENESIS_HASH)
    last = 0
    for number in range(1, commits + 1):
        if number > 1:
            encoded = encode(number, (NoOp(),), Marks(), encoded.hash)
        data = encoded.data.replace(b"no-op", b"on-op") if number == damage_at else encoded.data
        last = await broker.journal.append(
            subject,
            data,
            message_id=f"{worker}-{number}",
            expected_sequence=last,
            headers=encoded.headers,
        )
    return subject


def test_all_logs_are_verified_in_one_pass():
    async def body():
        broker = MemoryCluster(partitions=4).connect()
        await write(broker, "alice", 3)
        await write(broker, "bob", 4, damage_at=3)

        found = await verify(broker)
        assert (found.logs, found.commits) == (2, 7)
        (log,) = found.damaged
        assert (log.component, log.worker, log.report.intact_to) == ("counter", "bob", 2)
        assert not (await verify(broker, component="counter", worker="alice")).damaged
        assert (await verify(broker, component="other")).logs == 0

    asyncio.run(body())


def test_a_cut_log_is_what_was_intact_and_can_be_loaded():
    async def body():
        broker = MemoryCluster(partitions=4).connect()
        subject = await write(broker, "bob", 5, damage_at=3)

        planned = await cut(broker, "counter", "bob", dry_run=True)
        assert (planned.last_index, planned.commits) == (2, 3)
        assert (await verify(broker)).damaged

        await cut(broker, "counter", "bob", dry_run=False)
        assert not (await verify(broker)).damaged
        assert (await load(broker.journal, broker.blobs, subject)).head.last_index == 2
        with pytest.raises(RefusedError, match="not damaged"):
            await cut(broker, "counter", "bob", dry_run=False)

    asyncio.run(body())


def test_a_log_of_which_nothing_is_intact_is_not_cut():
    async def body():
        broker = MemoryCluster(partitions=4).connect()
        subject = await write(broker, "bob", 2)
        first = await broker.journal.last(subject)
        async for message in broker.journal.read(subject):
            first = message
            break
        await broker.journal.remove(first.subject, first.sequence)

        with pytest.raises(RefusedError, match="restore a backup"):
            await cut(broker, "counter", "bob", dry_run=False)

    asyncio.run(body())


def pass_over(broker, *sequences):
    """Read from a replica that cannot read some messages any more."""
    read = broker.journal.read

    async def reading(subject, **options):
        async for message in read(subject, **options):
            if message.sequence not in sequences:
                yield message

    broker.journal.read, broker.journal.read_whole = reading, read


@pytest.mark.parametrize("number", range(4))
def test_what_another_replica_can_read_is_neither_damaged_nor_cut_off(number):
    async def body():
        broker = MemoryCluster(partitions=4).connect()
        subject = await write(broker, "bob", 5)
        stored = [message.sequence async for message in broker.journal.read(subject)]
        pass_over(broker, stored[number])

        found = await verify(broker)
        assert not found.damaged
        assert found.replicas == (subject,)
        assert not found.is_well
        with pytest.raises(RefusedError, match="not damaged"):
            await cut(broker, "counter", "bob", dry_run=False)

    asyncio.run(body())


def test_mail_that_another_replica_can_read_is_told():
    async def body():
        broker = MemoryCluster(partitions=4).connect()
        invoke = subjects.invoke("counter", "bob")
        sent = [await broker.journal.publish(invoke, b"add(1)") for _ in range(3)]
        pass_over(broker, sent[1].sequence)

        found = await verify(broker)
        assert not found.mailboxes
        assert found.replicas == (subjects.mailbox("counter", "bob", 4, "invoke"),)

    asyncio.run(body())


def test_a_log_of_which_a_replica_can_read_nothing_is_not_left_out():
    async def body():
        broker = MemoryCluster(partitions=4).connect()
        subject = await write(broker, "alice", 2)
        stored = [message.sequence async for message in broker.journal.read(subject)]
        invoke = subjects.invoke("counter", "alice")
        sent = await broker.journal.publish(invoke, b"add(1)")
        await broker.journal.publish(subjects.invoke("counter", "bob"), b"add(1)")
        await write(broker, "bob", 2)
        pass_over(broker, *stored, sent.sequence)

        found = await verify(broker)
        assert (found.logs, found.entries, found.damaged) == (2, 4, ())
        assert found.replicas == (subject, subjects.mailbox("counter", "alice", 4, "invoke"))

    asyncio.run(body())
