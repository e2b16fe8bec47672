"""Every way to call, from every language to every language, with a death at every index of either.

Guests in C and in Python export the same interface and call it by the client that is made of it.
Caller and callee share the executor, so that each of its appends is one of either of them. The
callee's state shows each call once.
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

pytestmark = pytest.mark.timeout(600)

CLIENT = "demo:remote-client/remote-client"
GUESTS = {"python": "remote", "c": "mate"}
# From Python to Python, `test_remote_calls.py` does more of the same.
PAIRS = (("c", "c"), ("c", "python"), ("python", "c"))
CALLEE = "other"
BRIEF = "brief"


class Way(Struct, frozen=True, kw_only=True):
    """A way to call: a function of the guest in C, and what does the same in Python.

    `told` is what the caller returns. Afterwards the callee has `total`, `notes` and has made
    `carts`. `later_s`: what is scheduled has run by then.
    """

    python: str
    told: Sequence[int]
    total: int = 0
    notes: Sequence[str] = ()
    carts: int = 0
    later_s: float = 0
    by_id: bool = False
    may_be_lost: bool = False


API = f"other = remote_client.Api('{CALLEE}')\n"
LATER = "def later(seconds):\n  return wall_clock.Datetime(wall_clock.now().seconds + seconds, 0)\n"
ID = "id = rpc.ComponentId(rpc.Uuid($HIGH, $LOW))\n"
WAYS: Mapping[str, Way] = {
    "blocking": Way(
        python=f"{API}[other.blocking_add(5), other.blocking_add(5)]", told=(5, 10), total=10
    ),
    "futures": Way(
        python=f"{API}first, second, unwanted = other.add(1), other.add(2), other.add(4)\n"
        "unwanted.__exit__(None, None, None)\nlast = wait(second)\nwait(first) + last",
        told=(1, 3),
        total=7,
        later_s=1,
    ),
    "forget": Way(
        python=f"{API}other.note('a'); other.note('b')\n[0]", told=(0,), notes=("a", "b"), later_s=1
    ),
    "scheduled": Way(
        python=f"{API}{LATER}other.schedule_add(10, later(5)).__exit__(None, None, None)\n[0]",
        told=(0,),
        total=10,
        later_s=30,
    ),
    "cancelled": Way(
        python=f"{API}{LATER}other.schedule_add(100, later(60)).cancel()\n[0]",
        told=(0,),
        later_s=100,
    ),
    "by-id": Way(
        python=f"{ID}other = remote_client.Api.custom(rpc.WorkerId(id, '{CALLEE}'))\n"
        "[other.blocking_add(3)]",
        told=(3,),
        total=3,
        by_id=True,
    ),
    "resources": Way(
        python=f"cart = remote_client.Cart('{CALLEE}', 'ann'); x = Entry('x', 1)\n"
        "told = [cart.blocking_put(x), cart.blocking_put(x), len(cart.blocking_owner())]\n"
        f"cart.__exit__(None, None, None); coupon = remote_client.Coupon('{CALLEE}')\n"
        "told.append(coupon.blocking_redeem()); coupon.__exit__(None, None, None)\ntold",
        told=(1, 2, 3, 1),
        carts=1,
        later_s=1,
    ),
    "static-functions": Way(
        python=f"into, more = (remote_client.Cart('{CALLEE}', each) for each in ('ann', 'bob'))\n"
        "into.blocking_put(Entry('x', 1)), more.blocking_put(Entry('x', 1))\n"
        "told = into.blocking_merge(into, more); into.__exit__(None, None, None)\n[told]",
        told=(2,),
        carts=2,
        later_s=1,
    ),
    "ephemeral": Way(
        python=f"{ID}others = rpc.WasmRpc.ephemeral(id)\n"
        "def add():\n"
        "  five = rpc.WitValue([rpc.WitNode_PrimU64(5)])\n"
        "  try: return others.invoke_and_await('add', [five]).nodes[0].value\n"
        "  except Err: return 0\n"
        "[add(), add()]",
        told=(5, 5),
        by_id=True,
        may_be_lost=True,
    ),
}


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    guests = Guests()
    for name in (*GUESTS.values(), "load"):
        guests.prepare(name)
    yield guests
    guests.close()


def _drive(caller: str, name: str) -> tuple[str, list[Any]]:
    """Return the function of a caller that goes a way, and its parameters."""
    way = WAYS[name]
    id_ = component_uuid(BRIEF if name == "ephemeral" else "callee").int
    halves = id_ >> 64, id_ & (1 << 64) - 1
    if caller == "python":
        code = way.python.replace("$HIGH", str(halves[0])).replace("$LOW", str(halves[1]))
        return "run", [code]
    given = [*(halves if way.by_id else ()), *(() if name == "ephemeral" else (CALLEE,))]
    return f"drive/{name}", given


async def _play(
    guests: Guests, caller: str, callee: str, name: str, crash_at: tuple[int, str] | None
) -> int:
    """Go a way and look at the callee; return how many appends that took."""
    way = WAYS[name]
    async with Simulation(engine=guests, component=guests.prepare("load")) as simulation:
        links = {CLIENT: "callee"}
        await simulation.upload("callee", guests.prepare(GUESTS[callee]), links=links)
        await simulation.upload("caller", guests.prepare(GUESTS[caller]), links=links)
        await simulation.upload(BRIEF, guests.prepare("load"), kind="ephemeral")
        node = simulation.start()
        node.broker.journal.crash_at = crash_at

        reviver = asyncio.create_task(simulation.revive(node))
        function, given = _drive(caller, name)
        await simulation.publish("caller/w", function, *given, key="way")
        outcome = await simulation.result("way", within_s=600)
        assert "error" not in outcome, outcome
        told = outcome["result"]
        found = json.loads(told["ok"]) if caller == "python" else told
        lost = way.may_be_lost and crash_at is not None
        wanted = [[one, 0] if lost else [one] for one in way.told]
        assert len(found) == len(wanted), found
        assert all(one in allowed for one, allowed in zip(found, wanted, strict=True)), found
        await asyncio.sleep(way.later_s)
        appends = node.broker.journal.appends
        state = []
        for what in ("api/get", "api/notes", "api/carts"):
            await simulation.publish(f"callee/{CALLEE}", what, key=what)
            state.append((await simulation.result(what, within_s=60))["result"])
        assert state == [way.total, list(way.notes), way.carts], state
        reviver.cancel()
        return appends


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize(("caller", "callee"), PAIRS)
def test_a_call_happens_once_whatever_dies_at_whatever_index(
    guests: Guests, caller: str, callee: str, name: str
) -> None:
    with one_entry_per_commit():
        appends = patience.run(_play(guests, caller, callee, name, None))
        for append in range(1, appends + 1):
            place = "after" if append % 2 else "before"
            try:
                patience.run(_play(guests, caller, callee, name, (append, place)))
            except BaseException as error:
                error.add_note(f"{caller} to {callee}, {name}: crash {place} append {append}")
                raise
    assert appends >= 5
