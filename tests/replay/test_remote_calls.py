"""Real guests in Python, C and text call each other in every way, and die at every index.

Caller and callee share the executor, so that each of its appends is one of either of them. Whatever
dies, every call is executed once, and what guests hold of each other stays valid.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from msgspec import Struct

from actors.identity import component_uuid
from tests.replay import patience
from tests.replay.harness import Guests, one_entry_per_commit
from tests.simulation.cluster import Simulation

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("python")]

CLIENT = "demo:remote-client/remote-client"
COMPONENTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "remote": ("remote", {CLIENT: "remote"}),
    "relay": ("relay", {CLIENT: "remote"}),
    "load": ("load", {}),
}


class Call(Struct, frozen=True):
    """An invocation of `component/worker` and what it has to answer; `...` is anything."""

    worker: str
    function: str
    params: tuple[Any, ...]
    answer: Any = None
    failure: str | None = None


def py(code: str, answer: Any) -> Call:
    return Call("remote/caller", "run", (code,), {"ok": json.dumps(answer)})


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    guests = Guests()
    for name, _ in COMPONENTS.values():
        guests.prepare(name)
    yield guests
    guests.close()


async def _play(
    guests: Guests, script: Sequence[Call], crash_at: tuple[int, str] | None
) -> tuple[int, int]:
    """Return how many appends the executor made, and how many before the script began."""
    async with Simulation(engine=guests, component=guests.prepare("load")) as simulation:
        for name in ("remote", "relay", "load"):
            guest, links = COMPONENTS[name]
            await simulation.upload(name, guests.prepare(guest), links=dict(links))
        node = simulation.start()
        node.broker.journal.crash_at = crash_at

        async def revive() -> None:
            await asyncio.wait({node.task})
            simulation.start()

        reviver = asyncio.create_task(revive())
        for number, call in enumerate(script):
            key = f"k{number}"
            await simulation.publish(call.worker, call.function, *call.params, key=key)
            outcome = await simulation.result(key, within_s=600)
            told = outcome.get("result")
            assert outcome.get("error", {}).get("kind") == call.failure, (call, outcome)
            assert call.answer is ... or told == call.answer, (call, outcome)
        reviver.cancel()
        return node.broker.journal.appends, node.killed


def _crash_everywhere(guests: Guests, script: Sequence[Call], *, stride: int = 1) -> int:
    with one_entry_per_commit():
        appends, _ = patience.run(_play(guests, script, None))
        for append in range(1, appends + 1, stride):
            place = "after" if append % 2 else "before"
            try:
                patience.run(_play(guests, script, (append, place)))
            except BaseException as error:
                error.add_note(f"crash {place} append {append} of {appends}")
                raise
    return appends


def test_text_calls_python_through_the_generated_client(guests: Guests) -> None:
    cart = f"urn:worker:{component_uuid('remote')}/r/1"
    script = [
        Call("relay/w", "wait", ("r", 5), 5),
        Call("relay/w", "background", ("r", 7), 12),
        Call("relay/w", "tell", ("r",)),
        Call("relay/w", "open", ("r",)),
        Call("remote/r", "cart.owner", (cart,), "r"),
        Call("relay/w", "close", ()),
        Call("relay/w", "wait", ("r", 1), 13),
        Call("remote/r", "cart.owner", (cart,), failure="bad-parameters"),
        Call("remote/r", "api/carts", (), 1),
        Call("remote/r", "api/notes", (), ["r"]),
    ]
    assert _crash_everywhere(guests, script) > 30


def test_python_calls_python_in_every_way(guests: Guests) -> None:
    script = [
        py("other = remote_client.Api('other'); other.blocking_add(5)", 5),
        py(
            "wait(other.add(1), remote_client.Api('third').slowly(2, 20_000), other.get())",
            [6, 2, 6],
        ),
        py("other.note('a'); other.note('b'); other.blocking_notes()", ["a", "b"]),
        Call(
            "remote/caller",
            "run",
            ("other.blocking_refuse(Entry('x', 3))",),
            {"err": "Err: {'name': 'x', 'amount': 3}"},
        ),
        py(
            "cart = remote_client.Cart('other', 'ann'); coupon = remote_client.Coupon('other')\n"
            "cart.blocking_put(Entry('x', 3)), coupon.blocking_redeem()",
            [1, 1],
        ),
        py("twin = cart.blocking_copy(); twin.blocking_put(Entry('y', 1))", 2),
        py("other.blocking_carts()", 2),
        py("cart.blocking_merge(cart, twin)", 3),
        py(
            "cart.blocking_owner(), [e.name for e in wait(cart.entries())[0]]",
            ["ann", ["x", "x", "y"]],
        ),
        py("cart.__exit__(None, None, None); coupon.blocking_redeem()", 2),
    ]
    assert _crash_everywhere(guests, script, stride=3) > 60


def test_python_calls_c_without_knowing_its_types(guests: Guests) -> None:
    number = component_uuid("load").int
    script = [
        py(
            f"uuid = rpc.Uuid({number >> 64}, {number & (1 << 64) - 1})\n"
            "made = rpc.WasmRpc(rpc.WorkerId(rpc.ComponentId(uuid), 'c'))\n"
            "def u64(value): return rpc.WitValue([rpc.WitNode_PrimU64(value)])\n"
            "made.invoke_and_await('demo:counter/api.{add}', [u64(5)]).nodes[0].value",
            5,
        ),
        py(
            "made.invoke('add', [u64(2)]); future = made.async_invoke_and_await('add', [u64(1)])\n"
            "wait(future)[0].value.nodes[0].value",
            8,
        ),
        py(
            "def kind(call, *given):\n"
            "  try: call(*given)\n"
            "  except Err as error: return type(error.value).__name__\n"
            "[kind(made.invoke_and_await, 'nope', []), kind(made.invoke_and_await, 'add', [])]",
            ["RpcError_NotFound", "RpcError_ProtocolError"],
        ),
    ]
    assert _crash_everywhere(guests, script, stride=2) > 20
