"""What every bucket does: revisions, expiry, watches."""

import asyncio

import pytest

from broker.errors import ExistsError


async def test_a_written_key_is_read_back_with_its_revision(world):
    bucket = (await world.connect()).components
    revision = await bucket.put("counter", b"v1")
    entry = await bucket.get("counter")
    assert (entry.key, entry.data, entry.revision) == ("counter", b"v1", revision)
    assert await bucket.get("other") is None


async def test_revisions_grow(world):
    bucket = (await world.connect()).components
    first = await bucket.put("k", b"1")
    second = await bucket.put("k", b"2")
    assert second > first
    assert (await bucket.get("k")).revision == second


async def test_a_key_is_created_once(world):
    bucket = (await world.connect()).components
    await bucket.create("k", b"1")
    with pytest.raises(ExistsError):
        await bucket.create("k", b"2")
    assert (await bucket.get("k")).data == b"1"


async def test_a_deleted_key_is_gone_and_can_be_created_again(world):
    bucket = (await world.connect()).components
    await bucket.create("k", b"1")
    await bucket.delete("k")
    assert await bucket.get("k") is None
    assert await bucket.keys() == []
    await bucket.create("k", b"2")
    assert (await bucket.get("k")).data == b"2"


async def test_deleting_what_is_not_there_does_nothing(world):
    bucket = (await world.connect()).components
    await bucket.delete("k")
    assert await bucket.keys() == []


async def test_an_update_needs_the_newest_revision(world):
    bucket = (await world.connect()).components
    first = await bucket.put("k", b"1")
    second = await bucket.update("k", b"2", revision=first)
    with pytest.raises(ExistsError):
        await bucket.update("k", b"3", revision=first)
    assert await bucket.update("k", b"3", revision=second) > second


async def test_of_racing_updates_one_wins(world):
    bucket = (await world.connect()).components
    revision = await bucket.put("k", b"0")
    outcomes = await asyncio.gather(
        *(bucket.update("k", b"%d" % i, revision=revision) for i in range(8)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1


@pytest.mark.parametrize("key", ["", "a b", "comp/wörker.1", "*", ">", "a..b", "=41", "x\ny", "%"])
async def test_keys_are_any_text(world, key):
    bucket = (await world.connect()).workers
    await bucket.put(key, b"x")
    assert (await bucket.get(key)).data == b"x"
    assert await bucket.keys() == [key]


async def test_keys_are_listed_by_prefix_and_sorted(world):
    bucket = (await world.connect()).workers
    for key in ("b/2", "a/1", "b/1", "b/3"):
        await bucket.put(key, b"")
    await bucket.delete("b/3")
    assert list(await bucket.keys("b/")) == ["b/1", "b/2"]
    assert list(await bucket.keys()) == ["a/1", "b/1", "b/2"]


async def test_a_key_with_a_time_to_live_expires_unless_renewed(world, until):
    bucket = (await world.connect()).members
    seen = []
    await bucket.watch(seen.append)
    await bucket.put("dies", b"", ttl_s=1)
    await bucket.put("lives", b"", ttl_s=1)
    await bucket.put("lives", b"", ttl_s=60)
    await world.pass_time(1.2)
    await until(lambda: any(entry.data is None for entry in seen))
    assert [entry.key for entry in seen if entry.data is None] == ["dies"]
    assert await bucket.keys() == ["lives"]


async def test_a_watch_tells_what_is_there_and_what_changes(world, until):
    bucket = (await world.connect()).components
    await bucket.put("a/1", b"old")
    await bucket.put("b/1", b"not watched")
    seen = []
    await bucket.watch(seen.append, prefix="a/")
    await until(lambda: seen)
    await bucket.put("a/1", b"new")
    await bucket.put("a/2", b"")
    await bucket.delete("a/1")
    await until(lambda: len(seen) == 4)
    assert [(entry.key, entry.data) for entry in seen] == [
        ("a/1", b"old"),
        ("a/1", b"new"),
        ("a/2", b""),
        ("a/1", None),
    ]
    revisions = [entry.revision for entry in seen]
    assert revisions == sorted(set(revisions))


async def test_a_closed_watch_is_silent(world, until):
    bucket = (await world.connect()).components
    closed, open_ = [], []
    watch = await bucket.watch(closed.append)
    await bucket.watch(open_.append)
    await watch.close()
    await bucket.put("k", b"")
    await until(lambda: open_)
    assert not closed


async def test_a_watch_tells_after_a_reconnection_what_it_missed(world, until):
    broker, other = await world.connect(), await world.connect()
    await other.components.put("stays", b"")
    await other.components.put("goes", b"")
    seen = []
    await broker.components.watch(seen.append)
    await until(lambda: len(seen) == 2)
    world.cut(broker)
    await other.components.delete("goes")
    await other.components.put("comes", b"")
    await world.restore(broker)
    await until(lambda: len(seen) == 4)
    assert {(entry.key, entry.data) for entry in seen[2:]} == {("goes", None), ("comes", b"")}


async def test_buckets_are_apart_from_each_other(world):
    broker = await world.connect()
    await broker.components.put("k", b"")
    assert await broker.workers.get("k") is None
    assert await broker.members.keys() == []


async def test_changes_behind_a_revision_are_told_with_their_newest_values(world):
    broker = await world.connect()
    bucket = broker.workers_of("orders / ü")
    assert await bucket.changes() == ()
    await bucket.put("a", b"1")
    second = await bucket.put("b/1", b"2")
    await broker.workers_of("other").put("c", b"x")
    await bucket.put("a", b"3")
    await bucket.put("d", b"4")
    await bucket.delete("d")
    found = await bucket.changes()
    assert [(each.key, each.data) for each in found] == [("b/1", b"2"), ("a", b"3"), ("d", None)]
    later = await broker.workers_of("orders / ü").changes(behind=second)
    assert [(each.key, each.data) for each in later] == [("a", b"3"), ("d", None)]
    assert await bucket.changes(behind=later[-1].revision) == ()
