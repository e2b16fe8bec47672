"""What guests store: buckets by any name, writes that may be repeated, containers."""

import pytest

from broker.errors import ExistsError, NotFoundError


async def test_buckets_of_guests_are_there_by_any_name_and_apart(world):
    broker = await world.connect()
    one, two = broker.keyvalue("orders / ü"), broker.keyvalue("other")
    await one.put("k", b"1")
    await one.put("k.2>*", b"2")
    assert list(await one.keys()) == ["k", "k.2>*"]
    assert list(await two.keys()) == []
    assert (await broker.keyvalue("orders / ü").get("k")).data == b"1"
    assert await two.get("k") is None


async def test_a_write_that_is_repeated_with_its_id_is_done_once(world):
    bucket = (await world.connect()).keyvalue("b")
    first = await bucket.update("k", b"1", revision=0, write_id="w1")
    assert await bucket.update("k", b"1", revision=0, write_id="w1") == first
    second = await bucket.update("k", b"2", revision=first, write_id="w2")
    third = await bucket.update("k", b"3", revision=second)
    # Others have written since.
    assert await bucket.update("k", b"2", revision=first, write_id="w2") == second
    assert await bucket.update("k", b"1", revision=0, write_id="w1") == first
    entry = await bucket.get("k")
    assert (entry.data, entry.revision) == (b"3", third)
    with pytest.raises(ExistsError):
        await bucket.update("k", b"4", revision=second, write_id="w4")
    with pytest.raises(ExistsError):
        await bucket.update("k", b"4", revision=0, write_id="w5")


async def test_a_deleted_key_of_a_guest_stays_deleted_and_can_be_written_again(world):
    bucket = (await world.connect()).keyvalue("b")
    await bucket.put("k", b"1")
    await bucket.put("k", b"2")
    await bucket.delete("k")
    assert await bucket.get("k") is None
    assert list(await bucket.keys()) == []
    await bucket.update("k", b"3", revision=0, write_id="w")
    assert (await bucket.get("k")).data == b"3"


async def test_an_expired_value_does_not_uncover_an_older_one(world, until):
    bucket = (await world.connect()).keyvalue("b")
    await bucket.put("k", b"old")
    await bucket.put("k", b"new", ttl_s=1)
    assert (await bucket.get("k")).data == b"new"
    await world.pass_time(1)

    async def is_gone() -> bool:
        return await bucket.get("k") is None

    await until(is_gone)
    assert list(await bucket.keys()) == []


async def test_a_container_is_made_once_and_deleted_with_what_is_in_it(world):
    containers = (await world.connect()).containers
    assert await containers.created_ms("box ü") is None
    await containers.create("box ü")
    created_ms = await containers.created_ms("box ü")
    assert abs(created_ms - world.now_ns() // 1_000_000) < 60_000
    box = containers.open("box ü")
    await box.put("a/b", b"x" * 100_000)
    await containers.create("box ü")
    assert await box.get("a/b") == b"x" * 100_000
    assert await containers.created_ms("box ü") == created_ms
    await containers.delete("box ü")
    await containers.delete("box ü")
    assert await containers.created_ms("box ü") is None
    for call in (box.get("a/b"), box.put("a/b", b""), box.names(), box.info("a"), box.clear()):
        with pytest.raises(NotFoundError, match="box"):
            await call


async def test_objects_of_containers_have_sizes_and_are_cleared(world):
    containers = (await world.connect()).containers
    await containers.create("box")
    await containers.create("other")
    box = containers.open("box")
    await box.put("one", b"1")
    await box.put("two", b"22")
    info = await box.info("two")
    assert (info.name, info.size) == ("two", 2)
    assert abs(info.modified_ms - world.now_ns() // 1_000_000) < 60_000
    assert await box.info("three") is None
    await containers.open("other").put("one", b"other")
    await box.clear()
    assert list(await box.names()) == []
    with pytest.raises(NotFoundError, match="one"):
        await box.get("one")
    assert await containers.open("other").get("one") == b"other"
