"""Whole systems for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.integration.system.whole import Whole, running


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """One executor with the load guest, shared by the tests of a module."""
    with running(tmp_path_factory.mktemp("whole")) as started:
        yield started
