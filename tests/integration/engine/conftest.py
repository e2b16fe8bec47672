"""The engine of these tests: one compile cache per machine, so that only the first run is slow."""

import sys
from pathlib import Path

import pytest

from actors.engine.engine import WasmtimeEngine
from tests.support.system import CODE

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def cache_directory():
    return CODE


@pytest.fixture
def engine(cache_directory):
    engine = WasmtimeEngine(cache_directory)
    yield engine
    assert engine.live_count == 0, "a test left instances open"
    engine.close()
