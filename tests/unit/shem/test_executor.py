"""What an executor process does to itself."""

import gc
from collections.abc import Iterator

import pytest

from shem.executor import spare_the_living


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
