"""One system with a gateway, shared by the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.integration.rest.http import Api
from tests.support.system import RunningSystem


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system whose management API needs tokens, on a port of its own."""
    folder = tmp_path_factory.mktemp("rest")
    options = ("--rest-port", "0", "--rest-auth", "tokens", "--access-log")
    with RunningSystem(folder, http=True, options=options) as started:
        yield started


@pytest.fixture(scope="session")
def admin(system: RunningSystem) -> Api:
    """The management API with a token of the highest role."""
    return Api(system.rest_url, token(system, "admin"))


def token(system: RunningSystem, role: str) -> str:
    """Return the secret of a new token."""
    done = system.run("shem", "token", "create", "test", "--role", role)
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()
