"""What a guest asks that cannot be done: it traps, the reason says why, and nothing changes."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.replay import patience
from tests.replay.harness import Guests
from tests.simulation.cluster import Simulation

pytestmark = pytest.mark.timeout(300)

SETUP = (
    "kept = 5; p = host.create_promise(); P = type(p); me = host.get_self_metadata().worker_id\n"
    "W = type(me); C = me.component_id; b = W(C, 'b'); nobody = W(C, 'nobody')\n"
    "i = host.get_oplog_index()"
)
TO_INDEX = "host.RevertWorkerTarget_RevertToOplogIndex"
CASES = {
    "an index behind the end": ("host.set_oplog_index(10_000)", ["no entry 10000"]),
    "an index of an earlier invocation": ("host.set_oplog_index(2)", ["2", "before the running"]),
    "an index that was jumped over": (
        """
j = host.get_oplog_index(); k = host.get_oplog_index()
if k == j + 1: host.set_oplog_index(j)
host.set_oplog_index(j + 1)
""",
        ["jumped over"],
    ),
    "the end of no region": ("host.mark_end_operation(2)", ["no atomic region", "2"]),
    "waiting for an unknown promise": ("host.await_promise(P(me, 10_000))", ["promise", "10000"]),
    "looking at an unknown promise": ("host.poll_promise(P(me, 10_000))", ["promise", "10000"]),
    "waiting for a foreign promise": ("host.await_promise(P(b, 3))", ["belongs to worker 'b'"]),
    "completing an unknown promise": (
        "host.complete_promise(P(me, 10_000), b'')",
        ["promise", "10000"],
    ),
    "completing an unknown foreign promise": (
        "host.complete_promise(P(b, 1), b'')",
        ["unknown-promise", "1"],
    ),
    "a promise of nobody": ("host.complete_promise(P(nobody, 1), b'')", ["unknown-worker"]),
    "an update to no version": (
        "host.update_worker(b, 9, host.UpdateMode.AUTOMATIC)",
        ["unknown-component", "9"],
    ),
    "an update of nobody": (
        "host.update_worker(nobody, 0, host.UpdateMode.AUTOMATIC)",
        ["unknown-worker"],
    ),
    "an update of itself": (
        "host.update_worker(me, 0, host.UpdateMode.AUTOMATIC)",
        ["cannot do that to itself"],
    ),
    "a revert behind the end": (f"host.revert_worker(b, {TO_INDEX}(10_000))", ["bad-index"]),
    "a copy up to behind the end": (
        "host.fork_worker(b, W(C, 'c'), 10_000)",
        ["cannot-fork", "10000"],
    ),
    "a copy of no good name": ("host.fork('')", ["fork", "name"]),
    "a malformed query": ("oplog.SearchOplog(me, 'a AND (').get_next()", ["column 8"]),
    "the log of nobody": ("oplog.GetOplog(nobody, 1).get_next()", ["no worker 'nobody'"]),
    "a call that nobody persisted": (
        """
host.set_oplog_persistence_level(host.PersistenceLevel_PersistNothing())
durability.read_persisted_durable_function_invocation()
""",
        ["persisted"],
    ),
}


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    guests = Guests()
    yield guests
    guests.close()


def test_what_cannot_be_done_is_told_and_changes_nothing(guests: Guests) -> None:
    component = guests.prepare("probe")

    async def main() -> None:
        settings = {"retry": "never"}
        async with Simulation(engine=guests, component=component, settings=settings) as simulation:
            node = simulation.start()
            assert "result" in await simulation.invoke("b", "api/run", "1", key="b")
            before = await simulation.log("b")
            wrong = [each for name in CASES if (each := await _refused(simulation, name))]
            assert wrong == []
            assert [e for e in await simulation.log("b") if e["type"] != "command-done"] == before
            node.executor.stop()
            await asyncio.wait({node.task})

    patience.run(main())


async def _refused(simulation: Simulation, name: str) -> str | None:
    """Say what is wrong with how a case is refused; None if nothing is."""
    code, words = CASES[name]
    worker = name.replace(" ", "-")
    assert "result" in await simulation.invoke(worker, "api/run", SETUP, key=f"s-{worker}")
    outcome = await simulation.invoke(worker, "api/run", code, key=f"c-{worker}")
    error = outcome.get("error")
    if error is None:
        return f"{name}: answered {outcome}"
    if error["kind"] != "trap" or any(word not in error["message"] for word in words):
        return f"{name}: {error['kind']}: {error['message'][:200]}"
    back = await simulation.command(worker, {"command": "revert", "invocations": 1})
    assert "ok" in back, back
    left = await simulation.invoke(worker, "api/run", "kept", key=f"k-{worker}")
    return None if left.get("result") == {"ok": "5"} else f"{name}: left {left}"
