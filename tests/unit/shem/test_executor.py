"""What an executor process does to itself."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from shem.executor import leaving_within, spare_the_living


@pytest.fixture(autouse=True)
def usual_collection() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


class Ring:
    """Garbage that only a search finds."""

    def __init__(self) -> None:
        self.me = self


def test_what_exists_is_not_searched_again() -> None:
    ring = Ring()
    spare_the_living()
    assert not any(found is ring for found in gc.get_objects())


def test_rings_made_later_are_still_found() -> None:
    spare_the_living()
    Ring()
    assert any(isinstance(found, Ring) for found in gc.get_objects())
    gc.collect()
    assert not any(isinstance(found, Ring) for found in gc.get_objects())


async def test_who_cannot_hand_over_leaves_all_the_same() -> None:
    leaving = asyncio.Event()
    was_cancelled = False
    asyncio.get_running_loop().call_soon(leaving.set)
    async with asyncio.timeout(10):
        async with leaving_within(0.01, leaving):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                was_cancelled = True
                raise
    assert was_cancelled


async def test_who_hands_over_in_time_is_left_alone() -> None:
    leaving = asyncio.Event()
    async with leaving_within(10, leaving):
        leaving.set()
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError, match="of the work"):
        async with leaving_within(10, leaving):
            raise TimeoutError("of the work itself")
