"""What every object store does."""

import os

import pytest

from broker.errors import NotFoundError


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 3 * 1024 * 1024 + 17])
async def test_an_object_is_read_back_whole(world, size):
    blobs = (await world.connect()).blobs
    data = os.urandom(size)
    await blobs.put("some name/ü", data)
    assert await blobs.get("some name/ü") == data


async def test_a_missing_object_is_not_found(world):
    blobs = (await world.connect()).blobs
    with pytest.raises(NotFoundError, match="absent"):
        await blobs.get("absent")


async def test_writing_again_replaces(world):
    blobs = (await world.connect()).blobs
    await blobs.put("x", b"first" * 1000)
    await blobs.put("x", b"second")
    assert await blobs.get("x") == b"second"
    assert list(await blobs.names()) == ["x"]


async def test_a_deleted_object_is_gone_and_may_be_deleted_again(world):
    blobs = (await world.connect()).blobs
    await blobs.put("x", b"1")
    await blobs.delete("x")
    await blobs.delete("x")
    with pytest.raises(NotFoundError):
        await blobs.get("x")
    assert list(await blobs.names()) == []


async def test_names_are_listed_by_prefix_and_sorted(world):
    blobs = (await world.connect()).blobs
    for name in ("b/2", "a", "b/1"):
        await blobs.put(name, b"")
    assert list(await blobs.names("b/")) == ["b/1", "b/2"]
    assert list(await blobs.names()) == ["a", "b/1", "b/2"]
