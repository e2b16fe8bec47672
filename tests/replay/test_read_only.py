"""Functions of real guests that only read: copies of Python and of C, beside what they run."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from actors.identity import component_uuid
from tests.replay import patience
from tests.replay.harness import Guests
from tests.simulation.cluster import Simulation, kinds

pytestmark = pytest.mark.timeout(300)

CLIENT = "demo:remote-client/remote-client"
READS = ("api/get", "notes", "carts", "cart.entries", "cart.owner")
Scene = Callable[[Simulation], Awaitable[None]]


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    guests = Guests()
    for name in ("remote", "load"):
        guests.prepare(name)
    yield guests
    guests.close()


def play(guests: Guests, scene: Scene, read_only: tuple[str, ...]) -> None:
    async def main() -> None:
        component = guests.prepare("load")
        async with Simulation(engine=guests, component=component) as simulation:
            await simulation.upload(
                "remote", guests.prepare("remote"), links={CLIENT: "remote"}, read_only=read_only
            )
            await simulation.upload("load", component, read_only=("api/get",))
            simulation.start()
            await scene(simulation)

    patience.run(main())


async def ask(simulation: Simulation, worker: str, function: str, *params: Any, key: str) -> Any:
    outcome = await simulation.invoke(worker, function, *params, key=key)
    assert "error" not in outcome, outcome
    return outcome.get("result")


ENTRY = {"name": "x", "amount": 3}


@pytest.mark.parametrize("ms", [5_000, 3_600_000])
def test_a_copy_of_a_python_guest_is_read_while_it_runs(guests: Guests, ms: int) -> None:
    async def scene(simulation: Simulation) -> None:
        await ask(simulation, "remote/w", "api/note", "one", key="n1")
        cart = await ask(simulation, "remote/w", "cart.new", "ann", key="c1")
        await ask(simulation, "remote/w", "cart.put", cart, ENTRY, key="c2")
        # In memory, or out of it.
        await simulation.publish("remote/w", "api/slowly", 4, ms, key="long")
        await simulation.publish("remote/w", "api/note", "two", key="n2")
        await asyncio.sleep(min(ms, 60_000) / 2_000)
        before = await simulation.log("remote/w")
        assert await ask(simulation, "remote/w", "api/notes", key="r1") == ["one"]
        assert await ask(simulation, "remote/w", "api/get", key="r2") == 0
        assert await ask(simulation, "remote/w", "cart.entries", cart, key="r3") == [ENTRY]
        assert await ask(simulation, "remote/w", "cart.owner", cart, key="r4") == "ann"
        assert await simulation.log("remote/w") == before
        await simulation.result("n2", within_s=2 * ms / 1_000)
        assert await ask(simulation, "remote/w", "api/notes", key="r5") == ["one", "two"]
        assert await ask(simulation, "remote/w", "api/get", key="r6") == 4

    play(guests, scene, READS)


def test_a_copy_may_look_at_the_clock_but_calls_nobody(guests: Guests) -> None:
    number = component_uuid("load").int

    def rpc(method: str) -> str:
        return (
            f"uuid = rpc.Uuid({number >> 64}, {number & (1 << 64) - 1})\n"
            "made = rpc.WasmRpc(rpc.WorkerId(rpc.ComponentId(uuid), 'c'))\n"
            f"made.{method}('add', [rpc.WitValue([rpc.WitNode_PrimU64(1)])])"
        )

    async def scene(simulation: Simulation) -> None:
        await ask(simulation, "remote/w", "api/add", 4, key="k1")
        before = await simulation.log("remote/w")
        told = await ask(simulation, "remote/w", "drive/run", "time.time() > 1", key="r1")
        assert told == {"ok": "true"}
        told = await ask(simulation, "remote/w", "drive/run", "State.total = 9", key="r2")
        assert told == {"ok": "null"}
        for method in ("invoke_and_await", "invoke", "async_invoke_and_await"):
            await simulation.publish("remote/w", "drive/run", rpc(method), key=method)
            outcome = await simulation.result(method)
            assert outcome["error"]["kind"] == "read-only", outcome
            assert "wasm-rpc" in outcome["error"]["message"]
        assert await ask(simulation, "remote/w", "drive/run", "State.total", key="r3") == {
            "ok": "4"
        }
        assert await simulation.log("remote/w") == before
        assert await simulation.log("load/c") == []

    play(guests, scene, (*READS, "drive/run"))


def test_a_caller_reads_a_worker_that_is_busy_with_another_call(guests: Guests) -> None:
    async def scene(simulation: Simulation) -> None:
        await ask(simulation, "remote/w", "api/add", 4, key="k1")
        # w calls other, which is slow; meanwhile a third one asks w, and w itself.
        code = "remote_client.Api('other').blocking_slowly(1, 30_000)"
        await simulation.publish("remote/w", "drive/run", code, key="busy")
        await asyncio.sleep(5)
        code = "remote_client.Api('w').blocking_get()"
        told = await ask(simulation, "remote/third", "drive/run", code, key="k2")
        assert told == {"ok": "4"}
        told = (await simulation.result("busy"))["result"]
        assert told == {"ok": "1"}
        told = await ask(simulation, "remote/w", "drive/run", code, key="k3")
        assert told == {"ok": "4"}
        reads = [entry for entry in await simulation.log("remote/w") if "{get}" in str(entry)]
        assert all(entry["type"] == "imported-function-invoked" for entry in reads)

    play(guests, scene, READS)


def test_a_copy_of_c(guests: Guests) -> None:
    async def scene(simulation: Simulation) -> None:
        for total in range(1, 6):
            await ask(simulation, "load/w", "add", 1, key=f"a{total}")
            assert await ask(simulation, "load/w", "get", key=f"r{total}") == total
        log = await simulation.log("load/w")
        assert kinds(log).count("exported-function-completed") == 5

    play(guests, scene, READS)
