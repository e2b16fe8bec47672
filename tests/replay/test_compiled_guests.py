"""Guests of compilers: what becomes of them without memory, and of the states that they describe.

`keeper` in C over our bindings, in Rust over those of wit-bindgen where cargo is there, and Python.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import structs

from actors.statuses import Statuses
from oplog.status import Status
from tests.guests.build import unavailable
from tests.replay import patience
from tests.replay.harness import Guests, Row, Step, check_everywhere, py
from tests.simulation.cluster import COMPONENT, Simulation

pytestmark = pytest.mark.timeout(300)

MEBIBYTE = 1 << 20
FULL = {"memory": "max=8MiB,full=fail", "retry": "attempts=3,min=1s,max=1s,jitter=0"}
BY_SNAPSHOT = {"command": "update", "version": 1, "mode": "snapshot-based"}
KEEPERS = ("keeper", pytest.param("keeper-rust", marks=pytest.mark.toolchain))


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    guests = Guests()
    yield guests
    guests.close()


@pytest.fixture(params=KEEPERS)
def keeper(request: pytest.FixtureRequest, guests: Guests) -> str:
    name = str(request.param)
    if reason := unavailable(name):
        pytest.skip(reason)
    guests.prepare(name)
    return name


def row(name: str, guest: str, *script: Step, **settings: str) -> Row:
    stopped = Step("get", (), failure="previous-invocation-failed")
    return Row(
        name=name,
        guest=guest,
        script=script,
        state=(stopped,) if guest != "probe" else (),
        failures=True,
        options={"settings": {**FULL, **settings}},
    )


def test_a_guest_without_memory_fails_so_wherever_it_is_crashed(
    keeper: str, guests: Guests
) -> None:
    script = (
        Step("add", (5,), 5),
        Step("keep", (500_000,), 500_000),
        # It copes: that is no failure.
        Step("has-room", (10 * MEBIBYTE,), False),
        Step("keep", (10 * MEBIBYTE,), failure="out-of-memory"),
    )
    check_everywhere(row(f"{keeper} without memory", keeper, *script), guests)


def test_a_guest_that_traps_for_another_reason_is_not_without_memory(
    keeper: str, guests: Guests
) -> None:
    script = (
        # Most of it is in use, and once it had not grown.
        *(Step("keep", (900_000,), number * 900_000) for number in range(1, 7)),
        Step("has-room", (10 * MEBIBYTE,), False),
        Step("spoil", (), failure="trap"),
    )
    check_everywhere(row(f"{keeper} spoiled", keeper, *script), guests)


def test_a_python_guest_without_memory(guests: Guests) -> None:
    memory = "max=96MiB,full=fail"
    fill = "kept = []\nwhile True: kept.append(bytearray(1 << 22))"
    copes = row(
        "python copes",
        "probe",
        py("1 + 1", 2),
        # An exception is an answer.
        Step("api/run", (fill,), {"err": ...}),
        py("del kept; host.mark_end_operation(77)", None),
        memory=memory,
    )
    trap = structs.replace(copes.script[2], answer=None, failure="trap")
    check_everywhere(structs.replace(copes, script=(*copes.script[:2], trap)), guests)
    gives_up = (
        f"try:\n    {fill.replace(chr(10), chr(10) + '    ')}\nexcept MemoryError: os.abort()"
    )
    last = Step("api/run", (gives_up,), failure="out-of-memory")
    ends = structs.replace(copes, name="python ends", script=(copes.script[0], last))
    check_everywhere(ends, guests)


@pytest.mark.parametrize(("full", "attempts"), [("fail", 1), ("retry", 3)])
def test_the_policy_decides_whether_it_is_tried_again(
    full: str, attempts: int, guests: Guests
) -> None:
    guests.prepare("keeper")

    async def main() -> None:
        settings = {**FULL, "memory": f"max=8MiB,full={full}"}
        async with living(guests, "keeper", **settings) as simulation:
            await simulation.invoke("a", "add", 5, key="k")
            outcome = await simulation.invoke("a", "keep", 10 * MEBIBYTE, key="f")
            assert outcome["error"]["kind"] == "out-of-memory"
            assert f"of {8 * MEBIBYTE} bytes" in outcome["error"]["message"]
            log = await simulation.log("a")
            assert sum(each["type"] == "error" for each in log) == attempts
            back = {"command": "revert", "invocations": 1}
            assert "ok" in await simulation.command("a", back)
            assert (await simulation.invoke("a", "get", key="g"))["result"] == 5

    patience.run(main())


async def status(simulation: Simulation) -> Status:
    found = await Statuses(simulation.client).find(COMPONENT, "a")
    assert found is not None
    return found


async def told(simulation: Simulation, function: str, key: str, *params: Any) -> Any:
    outcome = await simulation.invoke("a", function, *params, key=key)
    return outcome.get("result", outcome)


def moved(simulation: Simulation) -> None:
    for each in simulation.nodes:
        if not each.task.done():
            each.kill()
    simulation.start()


@asynccontextmanager
async def living(guests: Guests, keeper: str, **settings: str) -> AsyncIterator[Simulation]:
    """A system with a keeper, loaded before; stopped in order, so that no instance is left."""
    async with Simulation(
        engine=guests, component=f"guest {keeper}".encode(), settings=settings, snapshots=None
    ) as simulation:
        simulation.start()
        yield simulation
        for each in simulation.nodes:
            each.executor.stop()
            await asyncio.wait({each.task})


def test_a_compiled_guest_comes_back_from_its_own_words(keeper: str, guests: Guests) -> None:
    async def main() -> None:
        async with living(guests, keeper, snapshots="custom,every=4") as simulation:
            for number in range(1, 8):
                await told(simulation, "add", f"k{number}", number)
            await asyncio.sleep(1)
            assert (await status(simulation)).snapshots >= 1
            moved(simulation)
            assert await told(simulation, "get", "g") == 28
            assert await told(simulation, "loads", "l") == 1
            # An old key has its outcome.
            simulation.results.clear()
            await simulation.publish("a", "add", 100, key="k2", message_id="again")
            assert (await simulation.result("k2"))["result"] == 3

    patience.run(main())


@pytest.mark.parametrize(("total", "problem"), [(13, "save"), (17, "load")])
def test_words_that_fail_cost_a_replay(
    total: int, problem: str, keeper: str, guests: Guests
) -> None:
    async def main() -> None:
        async with living(guests, keeper, snapshots="custom,every=2") as simulation:
            await told(simulation, "add", "k1", total)
            await asyncio.sleep(1)
            moved(simulation)
            assert await told(simulation, "get", "g") == total
            assert await told(simulation, "loads", "l") == 0
            log = await simulation.log("a")
            failed = [each["operation"] for each in log if each["type"] == "snapshot-failed"]
            assert failed == [problem]
            await told(simulation, "add", "k2", 1)
            moved(simulation)
            assert await told(simulation, "get", "h") == total + 1

    patience.run(main())


@pytest.mark.parametrize(
    ("total", "problem"), [(5, None), (13, "save"), (17, "17?")], ids=["well", "save", "load"]
)
def test_a_compiled_guest_is_updated_by_its_own_words(
    total: int, problem: str | None, keeper: str, guests: Guests
) -> None:
    async def main() -> None:
        async with living(guests, keeper, snapshots="never") as simulation:
            await told(simulation, "add", "k1", total)
            same = f"guest {keeper}".encode()
            await simulation.upload(COMPONENT, same, snapshots="never")
            assert "ok" in await simulation.command("a", BY_SNAPSHOT)
            assert await told(simulation, "get", "g") == total
            found = await status(simulation)
            assert found.component_version == (1 if problem is None else 0)
            assert (problem or "") in (found.last_update_problem or "")
            assert await told(simulation, "loads", "l") == (1 if problem is None else 0)
            moved(simulation)
            assert await told(simulation, "add", "k2", 1) == total + 1

    patience.run(main())
