"""The compose set-ups, brought up with images that were built here, by testcontainers."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # its image could not be pulled

from testcontainers.compose import DockerCompose

from shem.deploy import BundleOptions, write_bundle
from tests.chaos.cluster import free_ports
from tests.guests.build import build

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "compose"
LIMIT_S = 100
IMAGES = ("shem:latest", "shem-nats:latest")
API = """
id: tiny
version: "1"
routes:
  - method: POST
    path: /counters/{name}
    binding:
      type: default
      components: [tiny]
      response: instance(request.path.name).add(1)
"""

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]


class Compose(DockerCompose):
    """The library's, also with the command of its own that compose once was."""

    def stop(self, down: bool = True) -> None:  # noqa: FBT001, FBT002 - the library's
        # The library names the services, which the older command does not understand.
        self.services = None
        super().stop(down)

    @cached_property
    def compose_command_property(self) -> list[str]:
        command = super().compose_command_property
        has_plugin = run("docker", "compose", "version").returncode == 0
        return command if has_plugin else ["docker-compose", *command[2:]]


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def has_image(name: str) -> bool:
    return run("docker", "image", "inspect", name).returncode == 0


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    if shutil.which("docker") is None or run("docker", "info").returncode:
        pytest.skip("no Docker engine answers")
    has_plugin = run("docker", "compose", "version").returncode == 0
    if not has_plugin and shutil.which("docker-compose") is None:
        pytest.skip("neither `docker compose` nor docker-compose is installed")
    missing = [name for name in IMAGES if not has_image(name)]
    if missing:
        pytest.skip(f"images are not built: {missing}; python deploy/build.py")


class Running:
    """A set-up that runs, and the command line against it."""

    def __init__(self, nats_url: str, http_url: str, identity: dict[str, str]) -> None:
        self.nats_url = nats_url
        self.http_url = http_url
        self.identity = identity

    def shem(self, *words: str) -> "subprocess.CompletedProcess[str]":
        inherited = {key: text for key, text in os.environ.items() if not key.startswith("SHEM_")}
        environment = {"PYTHONPATH": str(ROOT), **self.identity, "SHEM_NATS_URL": self.nats_url}
        return subprocess.run(
            [sys.executable, "-m", "shem", *words],
            env=inherited | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def until(self, *words: str) -> Any:
        """Repeat a command until it does not fail, and return its document."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            done = self.shem(*words, "-o", "json")
            if done.returncode == 0:
                return json.loads(done.stdout)
            assert time.monotonic() < deadline, done.stdout + done.stderr
            time.sleep(0.2)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Running]]:
    started: list[Compose] = []

    def up(file: str, services: list[str] | None = None, **variables: str) -> Running:
        nats, http, jaeger = map(str, free_ports(3))
        ports = {"SHEM_NATS_PORT": nats, "SHEM_HTTP_PORT": http, "SHEM_JAEGER_PORT": jaeger}
        ports["COMPOSE_PROJECT_NAME"] = f"shem-{os.getpid()}-{file.removesuffix('.yaml')}"
        for name, value in (ports | variables).items():
            monkeypatch.setenv(name, value)
        compose = Compose(FOLDER, compose_file_name=[file], services=services, wait=False)
        started.append(compose)
        compose.start()
        return Running(f"nats://127.0.0.1:{nats}", f"http://127.0.0.1:{http}", {})

    yield up
    for compose in started:
        compose.stop()


def post(url: str, traceparent: str) -> str:
    request = urllib.request.Request(url, method="POST", headers={"traceparent": traceparent})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode()


def test_development_invokes_over_http_and_its_trace_arrives_in_jaeger(start, tmp_path):
    with_jaeger = has_image("shem-jaeger:latest")
    services = ["nats", "executor-0", "executor-1", "gateway"]
    running = start(
        "development.yaml",
        [*services, "jaeger"] if with_jaeger else services,
        SHEM_JAEGER_IMAGE="shem-jaeger:latest",
    )
    (tmp_path / "api.yaml").write_text(API)
    running.until("component", "add", "tiny", str(build("tiny")))
    running.until("api", "deploy", str(tmp_path / "api.yaml"))
    assert running.until("doctor", "--executors", "2")["well"]

    trace = "7" * 32
    assert post(f"{running.http_url}/counters/alice", f"00-{trace}-{'1' * 16}-01") == "1"
    assert post(f"{running.http_url}/counters/alice", f"00-{trace}-{'1' * 16}-01") == "2"
    if not with_jaeger:
        pytest.skip("all but Jaeger: there is no image shem-jaeger")
    jaeger = f"http://127.0.0.1:{os.environ['SHEM_JAEGER_PORT']}/api/traces/{trace}"
    wanted = {"shem-gateway", "shem-executor"}
    deadline = time.monotonic() + LIMIT_S
    while (found := services_of(jaeger)) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.5)


def services_of(url: str) -> set[str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            (trace,) = json.load(answer)["data"]
    except (OSError, ValueError):
        return set()
    return {process["serviceName"] for process in trace["processes"].values()}


def test_a_cluster_with_tls_goes_on_without_one_of_its_brokers(start, tmp_path):
    hosts = ("nats-0", "nats-1", "nats-2")
    write_bundle(tmp_path, BundleOptions(hosts=hosts), datetime.now(UTC))
    for key in (tmp_path / "identities" / "shem").glob("*"):
        # The images' user is another one than ours.
        key.chmod(0o644)
    running = start("cluster.yaml", SHEM_BUNDLE=str(tmp_path))
    place = tmp_path / "identities" / "shem"
    running.nats_url = running.nats_url.replace("nats://127.0.0.1", "tls://localhost")
    running.identity = {
        "SHEM_NATS_NKEY": str(place / "operator.nk"),
        "SHEM_NATS_CA": str(tmp_path / "ca.pem"),
        "SHEM_NATS_INBOX": "_INBOX.operator",
    }
    running.until("component", "add", "tiny", str(build("tiny")))
    assert running.until("worker", "invoke", "tiny/alice", "add(1)") == {"result": 1}
    findings = running.until("doctor", "--replicas", "3", "--executors", "2")["findings"]
    found = {each["check"]: each["level"] for each in findings}
    assert found["replicas"] == found["encryption"] == found["identity"] == "ok", findings

    killed = f"{os.environ['COMPOSE_PROJECT_NAME']}_nats-2_1"
    if run("docker", "kill", killed).returncode:
        assert run("docker", "kill", killed.replace("_", "-")).returncode == 0
    assert running.until("worker", "invoke", "tiny/alice", "add(1)", "--key", "k") == {"result": 2}
