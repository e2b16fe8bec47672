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

pytestmark = pytest.mark.timeout(600)

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

        reviver = asyncio.create_task(simulation.revive(node))
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


def test_calls_in_a_region_that_is_done_again_happen_once(guests: Guests) -> None:
    script = [
        py(
            "other = remote_client.Api('other'); b = host.mark_begin_operation()\n"
            "got = [other.blocking_add(1), other.blocking_add(1), other.blocking_get()]\n"
            "other.note('in it'); host.mark_end_operation(b); got",
            [1, 2, 2],
        ),
        # The same question in earnest, in the same invocation and in another.
        py(
            "b = host.mark_begin_operation(); got = [other.blocking_add(1)]\n"
            "host.mark_end_operation(b); got.append(other.blocking_add(1)); got",
            [3, 4],
        ),
        py("other.blocking_add(1)", 5),
        py("other.blocking_notes()", ["in it"]),
    ]
    assert _crash_everywhere(guests, script) > 30


def test_calls_that_a_guest_goes_back_over_on_purpose_happen_again(guests: Guests) -> None:
    script = [
        py(
            "i = host.get_oplog_index(); tried = remote_client.Api('tried').blocking_add(1)\n"
            "if tried < 3: host.set_oplog_index(i)\n"
            "tried",
            3,
        ),
        py("remote_client.Api('tried').blocking_get()", 3),
    ]
    assert _crash_everywhere(guests, script) > 15


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


def test_python_calls_python_by_id_and_later(guests: Guests) -> None:
    number = component_uuid("remote").int
    script = [
        py(
            f"uuid = rpc.Uuid({number >> 64}, {number & (1 << 64) - 1})\n"
            "other = remote_client.Api.custom(rpc.WorkerId(rpc.ComponentId(uuid), 'other'))\n"
            "other.blocking_add(5), wait(other.add(2))[0]",
            [5, 7],
        ),
        py(
            "def later(seconds):\n"
            "  now = wall_clock.now()\n"
            "  return wall_clock.Datetime(now.seconds + seconds, 0)\n"
            "kept = other.schedule_add(10, later(5)); gone = other.schedule_add(100, later(3600))\n"
            "gone.cancel(); other.schedule_note('x', later(5)).__exit__(None, None, None)",
            None,
        ),
        py("time.sleep(30); other.blocking_get(), other.blocking_notes()", [17, ["x"]]),
        py(
            "back = remote_client.Api('third')\n"
            "[back.blocking_slowly(1, ms) for ms in (1, 15_000)], back.blocking_get()",
            [[1, 2], 2],
        ),
    ]
    assert _crash_everywhere(guests, script, stride=4) > 30


EPHEMERAL_CALLER = """
(component
  (import "demo:counter-client/counter-client" (instance $client
    (export "api" (type $api (sub resource)))
    (export "[constructor]api" (func (result (own $api))))
    (export "[method]api.blocking-add"
      (func (param "self" (borrow $api)) (param "value" u64) (result u64)))))
  (alias export $client "api" (type $api))
  (core func $new (canon lower (func $client "[constructor]api")))
  (core func $add (canon lower (func $client "[method]api.blocking-add")))
  (core func $drop (canon resource.drop $api))
  (core module $main
    (import "host" "new" (func $new (result i32)))
    (import "host" "add" (func $add (param i32 i64) (result i64)))
    (import "host" "drop" (func $drop (param i32)))
    (func (export "twice") (param $value i64) (result i64)
      (local $api i32) (local $sum i64)
      (local.set $api (call $new))
      (local.set $sum (call $add (local.get $api) (local.get $value)))
      (local.set $sum (i64.add (local.get $sum) (call $add (local.get $api) (local.get $value))))
      (call $drop (local.get $api))
      (local.get $sum)))
  (core instance $main (instantiate $main (with "host" (instance
    (export "new" (func $new)) (export "add" (func $add)) (export "drop" (func $drop))))))
  (func (export "twice") (param "value" u64) (result u64)
    (canon lift (core func $main "twice"))))
"""


@pytest.mark.parametrize("crash", [None, *range(1, 12)])
def test_the_client_of_an_ephemeral_component_calls_a_new_worker_each_time(
    guests: Guests, crash: int | None
) -> None:
    async def main() -> None:
        async with Simulation(engine=guests, component=guests.prepare("load")) as simulation:
            await simulation.upload("brief", guests.prepare("load"), kind="ephemeral")
            links = {"demo:counter-client/counter-client": "brief"}
            caller = guests.prepare_text("ephemeral caller", EPHEMERAL_CALLER)
            await simulation.upload("caller", caller, links=links)
            node = simulation.start()
            node.broker.journal.crash_at = None if crash is None else (crash, "after")
            reviver = asyncio.create_task(asyncio.wait({node.task}))
            reviver.add_done_callback(lambda _: simulation.start())
            await simulation.publish("caller/w", "twice", 5, key="k1")
            outcome = await simulation.result("k1", within_s=60)
            # Neither saw what the other had added. One that dies in the middle says so.
            lost = crash is not None and "lost" in outcome.get("error", {}).get("message", "")
            assert outcome.get("result") == 10 or lost, outcome
            made = await simulation.client.journal.subjects("shem.oplog.*.brief.*.log")
            assert len(made) == 2 or lost
            reviver.cancel()

    guests.prepare_text("ephemeral caller", EPHEMERAL_CALLER)
    patience.run(main())


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


def test_callees_of_other_versions_of_their_component_are_called_as_they_are(
    guests: Guests,
) -> None:
    async def main() -> None:
        async with Simulation(engine=guests, component=guests.prepare("load")) as simulation:
            simulation.start()
            await simulation.upload("target", guests.prepare("load"))
            links = {"demo:counter-client/counter-client": "target"}
            await simulation.upload("caller", guests.prepare("fan"), links=links)

            async def one(worker: str, key: str) -> dict[str, Any]:
                await simulation.publish("caller/w", "one", worker, 5, key=key)
                return await simulation.result(key, within_s=60)

            assert (await one("old", "k1"))["result"] == 5
            # The caller was linked with the first version; workers from now on are of the second,
            # which is another program in another language, and of the third, which cannot add.
            await simulation.upload("target", guests.prepare("counter"))
            assert (await one("new", "k2"))["result"] == 5
            await simulation.upload("target", guests.prepare("shelf"))
            assert [(await one(name, f"{name}-3"))["result"] for name in ("old", "new")] == [10, 10]
            refused = (await one("newest", "k4"))["error"]["message"]
            assert "unknown-function" in refused
            versions = [
                (await simulation.log(f"target/{name}"))[0]["component-version"]
                for name in ("old", "new", "newest")
            ]
            assert versions == [0, 1, 2]

    for name in ("fan", "counter", "shelf"):
        guests.prepare(name)
    patience.run(main())
