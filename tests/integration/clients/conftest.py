"""A system with the chat example, shared by the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.guests.build import build
from tests.support.system import ROOT, RunningSystem


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    folder = tmp_path_factory.mktemp("clients")
    with RunningSystem(folder, http=True) as started:
        done = started.run("shem", "component", "add", "chat", str(build("chat")))
        assert done.returncode == 0, done.stdout
        done = started.run("shem", "api", "deploy", str(ROOT / "examples" / "chat" / "api.yaml"))
        assert done.returncode == 0, done.stdout
        yield started
