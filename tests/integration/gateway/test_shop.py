"""The shopping cart of the examples as a web shop: what its README says, and requests made up."""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.guests.build import build
from tests.support.system import ROOT, RunningSystem

pytestmark = pytest.mark.timeout(600)
PATIENCE_S = 120
SEED = 7
EXAMPLES = 15
README = ROOT / "examples" / "cart" / "README.md"


@pytest.fixture(scope="module")
def shop(python_system: RunningSystem) -> RunningSystem:
    system = python_system
    link = ("--link", "shop:cart-client/cart-client=cart")
    added = system.run("shem", "component", "add", "cart", str(build("cart")), *link)
    assert added.returncode == 0, added.stdout
    deployed = system.run("shem", "api", "deploy", str(ROOT / "examples/cart/api.yaml"))
    assert deployed.returncode == 0, deployed.stdout
    deadline = time.monotonic() + PATIENCE_S
    while answer(system, "GET", "/carts/ready")[0] != 200:
        assert time.monotonic() < deadline, system.log
        time.sleep(0.05)
    return system


def answer(
    system: RunningSystem, method: str, path: str, body: object = None, **headers: str
) -> tuple[int, Any]:
    place = urlsplit(system.http_url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE_S)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else json.dumps(body)
    try:
        connection.request(method, path, data, {"Content-Type": "application/json", **named})
        response = connection.getresponse()
        received = response.read()
    finally:
        connection.close()
    return response.status, json.loads(received) if received else None


def test_the_session_of_the_readme(shop: RunningSystem) -> None:
    (block,) = re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    for step in block.split("$ ")[1:]:
        command, _, expected = step.partition("\n")
        command = command.replace("localhost:8080", urlsplit(shop.http_url).netloc)
        done = subprocess.run(
            ["sh", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.stdout.strip() == expected.strip(), command


def test_requests_made_up_from_the_document(shop: RunningSystem, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            *("run", f"{shop.http_url}/docs/openapi.json"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES)),
            *("--seed", str(SEED), "--continue-on-failure"),
            # To JSON Schema 1.0 is an integer, and to no component.
            *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
            *("--suppress-health-check", "all", "--request-timeout", "60", "--no-color"),
        ],
        cwd=tmp_path,
        env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]


def test_a_checkout_that_is_repeated_while_everything_is_killed_is_one(
    shop: RunningSystem,
) -> None:
    """Kill -9 of gateway and executors under load: every key has one outcome, whoever asks."""
    users, pieces = 12, 3
    assert answer(shop, "POST", "/stock/lamp", {"quantity": users * pieces - 1})[0] == 200
    outcomes: dict[int, set[str]] = {user: set() for user in range(users)}
    over = threading.Event()

    def customer(user: int) -> None:
        while not over.is_set():
            for path, body in (
                (f"/carts/killed-{user}/items", {"item": "lamp", "quantity": pieces}),
                (f"/carts/killed-{user}/checkout", None),
            ):
                status, told = patient(path, body, f"{user}-{path}")
                if path.endswith("checkout"):
                    outcomes[user].add(f"{status} {json.dumps(told)}")

    def patient(path: str, body: object, key: str) -> tuple[int, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                status, told = answer(shop, "POST", path, body, Idempotency_Key=key)
            except (OSError, http.client.HTTPException, ValueError):
                status, told = 0, None
            if status in {200, 201, 409}:
                return status, told
            # Gone, or not there again yet: whoever has a key asks again.
            assert status in {0, 404, 502, 503, 504}, (status, told)
            assert time.monotonic() < deadline, shop.log
            time.sleep(0.05)

    threads = [threading.Thread(target=customer, args=(user,)) for user in range(users)]
    for thread in threads:
        thread.start()
    shop.kill("gateway")
    shop.kill("executors", "gateway")
    shop.kill("gateway")
    deadline = time.monotonic() + PATIENCE_S
    while not all(outcomes.values()):
        assert time.monotonic() < deadline, outcomes
        time.sleep(0.05)
    over.set()
    for thread in threads:
        thread.join()

    assert {len(told) for told in outcomes.values()} == {1}, outcomes
    bought = sum("200" in told for each in outcomes.values() for told in each)
    assert bought == users - 1, "all but one get what they want, and nobody twice"
    assert answer(shop, "GET", "/stock/lamp")[1]["left"] == pieces - 1
