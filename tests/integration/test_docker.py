"""The container image of the broker: what it acknowledged survives `kill -9` of the container."""

import asyncio
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # its image could not be pulled

import docker
import docker.errors
from testcontainers.core.container import DockerContainer
from testcontainers.core.image import DockerImage

RECIPE = Path(__file__).resolve().parents[2] / "deploy" / "nats"
PORT = 4222
TAG = "shem-nats-test:latest"
START_LIMIT_S = 30
DEFAULT_HOST = "unix:///var/run/docker.sock"

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def engine() -> None:
    try:
        # Asked first: the library leaves its socket open when nobody listens, and a later test
        # is blamed for it.
        reach(os.environ.get("DOCKER_HOST", DEFAULT_HOST))
        client = docker.from_env(timeout=10)
        client.ping()
        client.close()
    except (docker.errors.DockerException, OSError) as error:
        pytest.skip(f"no Docker engine answers: {error}")


def reach(host: str) -> None:
    """Return if somebody listens at `host`; other transports than Unix sockets are believed."""
    scheme, _, path = host.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)


@pytest.fixture
def server(engine: None, tmp_path: Path) -> Iterator[DockerContainer]:
    for name in ("Dockerfile", "nats.conf"):
        shutil.copy(RECIPE / name, tmp_path / name)
    shutil.copy(Path(sys.executable).with_name("nats-server"), tmp_path / "nats-server")
    # Another name of the same image may be in use by whatever runs beside this: only ours goes.
    with (
        DockerImage(path=str(tmp_path), tag=TAG, clean_up=False) as image,
        DockerContainer(str(image)).with_exposed_ports(PORT) as container,
    ):
        yield container
    client = docker.from_env()
    client.images.remove(TAG)
    client.close()


def wait_until_ready(container: DockerContainer, starts: int) -> None:
    """Return when the server has said so `starts` times: the engine keeps what it said before."""
    deadline = time.monotonic() + START_LIMIT_S
    while b"".join(container.get_logs()).count(b"Server is ready") < starts:
        assert time.monotonic() < deadline, container.get_logs()
        time.sleep(0.1)


async def store(url: str) -> None:
    connection = await nats.connect(url)
    stream = connection.jetstream()
    await stream.add_stream(name="KEPT", subjects=["kept.*"])
    await stream.publish("kept.one", b"still here")
    await connection.close()


async def stored(url: str) -> bytes | None:
    connection = await nats.connect(url)
    message = await connection.jetstream().get_last_msg("KEPT", "kept.one")
    await connection.close()
    return message.data


def url_of(container: DockerContainer) -> str:
    """Return where the server listens; the port is another one after each start."""
    return f"nats://127.0.0.1:{container.get_exposed_port(PORT)}"


def test_a_stored_message_survives_the_death_of_the_container(server: DockerContainer) -> None:
    wait_until_ready(server, 1)
    asyncio.run(store(url_of(server)))
    container = server.get_wrapped_container()

    container.kill("SIGKILL")
    container.wait()
    container.start()

    wait_until_ready(server, 2)
    assert asyncio.run(stored(url_of(server))) == b"still here"
