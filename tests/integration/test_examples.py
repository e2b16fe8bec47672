"""The examples whose workers call each other, on a real system that is killed in between."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.system.whole import Whole

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("examples")
    whole = Whole(folder, executors=2)
    try:
        whole.start()
        yield whole
    finally:
        whole.kill()


def add(whole: Whole, name: str, link: str) -> None:
    from tests.guests.build import build

    done = whole.run("component", "add", name, str(build(name)), "--link", f"{link}={name}")
    assert done.returncode == 0, done.stderr


def invoke(whole: Whole, worker: str, call: str) -> Any:
    return whole.json("worker", "invoke", worker, call, "--timeout", "60")["result"]


def test_a_basket_gets_everything_or_nothing(whole: Whole) -> None:
    add(whole, "cart", "shop:cart-client/cart-client")
    assert invoke(whole, "cart/apple", "supply(3)") == 3
    assert invoke(whole, "cart/pear", "supply(1)") == 1
    invoke(whole, "cart/ann", 'put("apple", 2)')
    invoke(whole, "cart/ann", 'put("pear", 2)')
    assert invoke(whole, "cart/ann", "checkout()") == {"err": ["pear"]}
    for executor in whole.executors:
        executor.kill()
    for executor in whole.executors:
        executor.start()
    assert invoke(whole, "cart/pear", "supply(5)") == 6
    assert invoke(whole, "cart/ann", "checkout()") == {"ok": 4}
    assert invoke(whole, "cart/apple", "left()") == 1
    assert invoke(whole, "cart/pear", "left()") == 4


def test_a_sale_closes_by_itself_and_tells_the_winner(whole: Whole) -> None:
    add(whole, "auction", "house:auction-client/auction-client")
    invoke(whole, "auction/vase", 'open("a vase", 10, 5)')
    listed = whole.json("worker", "scheduled", "auction/vase")
    (closing,) = listed["scheduled"]
    assert "close" in closing["call"]
    assert closing["at-ms"] > time.time() * 1_000
    assert invoke(whole, "auction/vase", 'bid("ann", 12)') == {"ok": 12}
    assert "err" in invoke(whole, "auction/vase", 'bid("bob", 11)')
    for executor in whole.executors:
        executor.kill()
    # It is due while nobody is there.
    time.sleep(max(0.0, closing["at-ms"] / 1_000 - time.time()))
    for executor in whole.executors:
        executor.start()
    deadline = time.monotonic() + 60
    while invoke(whole, "auction/vase", "state()") == "open":
        assert time.monotonic() < deadline
    assert invoke(whole, "auction/vase", "state()") == "sold to ann for 12"
    while not (wins := invoke(whole, "auction/ann", "wins()")):
        assert time.monotonic() < deadline
    assert json.dumps(wins) == '[["a vase", 12]]'


def test_what_nobody_serves_is_refused_at_upload(whole: Whole, tmp_path: Path) -> None:
    del tmp_path
    from tests.guests.build import build

    path = str(build("fan"))
    done = whole.run("component", "add", "fan", path)
    assert done.returncode == 1
    assert "demo:counter-client/counter-client#[constructor]api" in done.stderr
    done = whole.run(
        "component", "add", "fan", path, "--link", "demo:counter-client/counter-client=x"
    )
    assert done.returncode == 1
    assert "'x' does not exist" in done.stderr


def test_one_worker_calls_a_hundred_and_sums_up(whole: Whole) -> None:
    from tests.guests.build import build

    whole.add("load", "load")
    link = "demo:counter-client/counter-client=load"
    done = whole.run("component", "add", "fan", str(build("fan")), "--link", link)
    assert done.returncode == 0, done.stderr
    assert invoke(whole, "fan/w", "many(100, 2)") == 200
    assert invoke(whole, "fan/w", "many(100, 1)") == 300
