"""What is remembered of workers that left memory."""

import asyncio

from actors.identity import WorkerId
from actors.limits import REMEMBERED_COMMITS_MAX, REMEMBERED_LOG_BYTES_MAX
from actors.remembered import Leaving, LogCopy, Remembered, messages_of
from broker.memory import MemoryCluster
from broker.ports import Message
from oplog.codec import Encoded
from oplog.commit import Head
from oplog.reader import LoadedLog


def _log(head: Head | None = None) -> LoadedLog:
    blobs = MemoryCluster(partitions=1).connect().blobs
    return LoadedLog(head=head or Head(), stored=(), blobs=blobs, deleted=False)


def _commit(size: int) -> Encoded:
    return Encoded(b"x" * size, {"Shem-First": "1"}, "hash")


def _leaving(size: int) -> Leaving:
    return Leaving((b"x" * size,), 1)


def test_a_log_is_kept_once_and_for_one_tenure() -> None:
    remembered, tenure = Remembered(bytes_max=10_000), object()
    worker = WorkerId("c", "a")

    remembered.keep(worker, tenure, _leaving(1))
    remembered.keep(worker, tenure, _leaving(2))
    assert remembered.recall(worker, tenure) == _leaving(2)
    assert remembered.recall(worker, tenure) is None

    remembered.keep(worker, tenure, _leaving(1))
    assert remembered.recall(worker, object()) is None
    assert remembered.recall(worker, tenure) is None

    remembered.keep(worker, tenure, _leaving(1))
    remembered.forget(worker)
    assert remembered.recall(worker, tenure) is None


def test_those_kept_longest_are_forgotten_first() -> None:
    remembered, tenure = Remembered(bytes_max=3_000), object()
    workers = [WorkerId("c", str(number)) for number in range(10)]
    for worker in workers:
        remembered.keep(worker, tenure, _leaving(1_000))

    kept = [remembered.recall(each, tenure) is not None for each in workers]
    assert kept == [False] * 8 + [True] * 2
    # Nothing is counted that is not there any more.
    for worker in workers[:2]:
        remembered.keep(worker, tenure, _leaving(1_000))
    assert all(remembered.recall(each, tenure) for each in workers[:2])


def test_without_room_nothing_is_remembered() -> None:
    remembered, tenure = Remembered(bytes_max=0), object()
    remembered.keep(WorkerId("c", "a"), tenure, _leaving(1))
    assert remembered.recall(WorkerId("c", "a"), tenure) is None


def test_a_copy_of_a_log_gives_up_when_the_log_is_long() -> None:
    many, large = (LogCopy(_log(), has_snapshots=False) for _ in range(2))
    for number in range(1, REMEMBERED_COMMITS_MAX + 1):
        many.stored(number, _commit(10))
    assert many.packed() is not None
    many.stored(REMEMBERED_COMMITS_MAX + 1, _commit(10))
    assert many.packed() is None
    many.stored(REMEMBERED_COMMITS_MAX + 2, _commit(10))
    assert many.packed() is None

    large.stored(1, _commit(REMEMBERED_LOG_BYTES_MAX))
    assert large.packed() is not None
    large.stored(2, _commit(1))
    assert large.packed() is None


def test_what_was_packed_comes_out_as_it_went_in() -> None:
    copy = LogCopy(_log(), has_snapshots=False)
    commits = [_commit(7 * number) for number in range(REMEMBERED_COMMITS_MAX)]
    for number, commit in enumerate(commits):
        copy.stored(10 * number, commit)
    packed = copy.packed()
    assert packed is not None
    assert sum(map(len, packed)) < sum(len(commit.data) for commit in commits) / 5

    async def unpacked() -> list[Message]:
        return [message async for message in messages_of("log", packed)]

    assert asyncio.run(unpacked()) == [
        Message("log", 10 * number, commit.data, commit.headers)
        for number, commit in enumerate(commits)
    ]


def test_there_is_no_copy_of_a_log_that_says_only_a_part() -> None:
    assert LogCopy(_log(), has_snapshots=True).packed() is None
    # What follows is chained to a tombstone.
    assert LogCopy(_log(Head(0, "tombstone", 7)), has_snapshots=False).packed() is None
