"""Logs whose old part is thrown away: what is left works, and what is gone is refused and told."""

import asyncio
import random
from typing import Any

import pytest

import actors.old_history
from actors.api.invocation import InvocationApi
from actors.api.worker import ReadOplog, WorkerApi
from actors.errors import ApiError
from actors.statuses import Statuses
from broker import subjects
from oplog.errors import CorruptLogError
from oplog.reader import LoadedLog, load
from shem.verification import verify
from tests.simulation.cluster import COMPONENT, PARTITIONS, Simulation, kinds
from tests.simulation.test_second_thoughts import BY_SNAPSHOT, UPDATE
from tests.simulation.versions import Versions, bytes_of
from tests.simulation.virtual import run

SUBJECT = subjects.log(COMPONENT, "a", PARTITIONS)
POLICY = {"snapshots": "custom,every=4", "history": "purge"}
ADDS = 20
TOTAL = sum(range(1, ADDS + 1))


@pytest.fixture(autouse=True)
def _small_purges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actors.old_history, "MOVED_ENTRIES_MIN", 6)


def world(guest: str = "Compatible", **settings: Any) -> Simulation:
    return Simulation(
        engine=Versions(),
        component=bytes_of(guest),
        settings={**POLICY, **settings},
        snapshots=None,
    )


async def what_is_left(simulation: Simulation) -> LoadedLog:
    return await load(simulation.client.journal, simulation.client.blobs, SUBJECT)


async def grown(simulation: Simulation, *, start: int = 1, end: int = ADDS) -> None:
    for number in range(start, end + 1):
        await simulation.invoke("a", "add", number, key=f"k{number}")


async def get(simulation: Simulation, key: str) -> int:
    value: int = (await simulation.invoke("a", "get", key=key))["result"]
    return value


def moved(simulation: Simulation) -> Any:
    for each in simulation.nodes:
        if not each.task.done():
            each.kill()
    return simulation.start()


async def is_sound(simulation: Simulation) -> int:
    """Verify the log, and return the entry with which it begins in the stream."""
    found = await verify(simulation.client, component=COMPONENT, worker="a", with_payloads=True)
    assert not found.damaged, found.damaged
    messages = [m async for m in simulation.client.journal.read(SUBJECT)]
    return int(messages[0].headers["Shem-First"])


def test_what_is_left_is_all_that_a_worker_needs() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await grown(simulation)
            assert await is_sound(simulation) > 20
            log = await what_is_left(simulation)
            begins = log.plan().purged + 1
            indices = [index for index, _, _ in log.entries()]
            assert indices == list(range(begins, log.head.last_index + 1))
            # The snapshots that are kept, and the one that stands for what is gone.
            assert len(await simulation.client.blobs.names("snapshot/")) <= 3
            moved(simulation)
            assert await get(simulation, "g1") == TOTAL
            # Without the pointer, the log itself says where it begins.
            pointer = subjects.snapshot(COMPONENT, "a", PARTITIONS)
            await simulation.client.journal.purge(pointer)
            moved(simulation)
            assert await get(simulation, "g2") == TOTAL
            assert "ok" in await simulation.command("a", {"command": "delete"})
            assert not await simulation.client.blobs.names("snapshot/")
            assert (await simulation.invoke("a", "add", 1, key="k1"))["result"] == 1

    run(main())


def test_an_old_key_is_known_and_its_outcome_is_gone() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await grown(simulation)
            # Who has just done it remembers for a while.
            moved(simulation)
            simulation.results.clear()
            await simulation.publish("a", "add", 1_000, key="k1", message_id="again 1")
            assert (await simulation.result("k1"))["error"]["kind"] == "purged"
            await simulation.publish("a", "add", 1_000, key="k20", message_id="again 20")
            assert (await simulation.result("k20"))["result"] == TOTAL
            assert await get(simulation, "g") == TOTAL
            api = InvocationApi(simulation.client, Statuses(simulation.client))
            ask = api.routes()["invocation.get"]

            class Asked:
                subject = "shem.api.invocation.get"

                def __init__(self, key: str) -> None:
                    self.data = f'{{"component":"counter","worker":"a","key":"{key}"}}'.encode()

            for key, kind in {"k1": "purged", "nothing": "unknown-invocation"}.items():
                with pytest.raises(ApiError) as caught:
                    await ask(Asked(key))  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # it reads no more of it
                assert caught.value.kind == kind

    run(main())


def test_what_would_go_back_behind_the_beginning_is_refused_and_changes_nothing() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await grown(simulation)
            await simulation.upload(COMPONENT, bytes_of("Fragile"), **POLICY)
            log = await what_is_left(simulation)
            purged, last = log.plan().purged, log.head.last_index
            refused: dict[str, tuple[dict[str, Any], str]] = {
                "revert": ({"command": "revert", "last-oplog-index": purged - 1}, "bad-index"),
                "by number": ({"command": "revert", "invocations": ADDS}, "bad-index"),
                "fork": ({"command": "fork", "worker": "b", "at": last}, "cannot-fork"),
                "update": (UPDATE, "cannot-update"),
                "dry run": ({**UPDATE, "dry-run": True}, "cannot-update"),
            }
            for name, (command, kind) in refused.items():
                answer = await simulation.command("a", command)
                assert answer["error"]["kind"] == kind, (name, answer)
                assert "purged" in answer["error"]["message"], name
            assert await get(simulation, "g") == TOTAL
            listed = WorkerApi(simulation.client, Statuses(simulation.client), None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # logs need no components
            page: Any = await listed._oplog(ReadOplog(component=COMPONENT, worker="a"), None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # nor the request
            assert page.begins == page.entries[0].index > purged
            # To the beginning itself, the way is open.
            back = {"command": "revert", "last-oplog-index": page.begins - 1}
            assert "ok" in await simulation.command("a", back)
            value = await get(simulation, "g2")
            assert 0 < value < TOTAL
            moved(simulation)
            assert await get(simulation, "g3") == value
            # Undone keys may be used again, and purging goes on.
            await grown(simulation, start=ADDS + 1, end=ADDS + 20)
            await is_sound(simulation)
            assert (await what_is_left(simulation)).plan().purged > purged

    run(main())


@pytest.mark.parametrize("last", [1, 2])
def test_another_version_takes_over_by_snapshot(last: int) -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await grown(simulation)
            await simulation.upload(COMPONENT, bytes_of("Compatible"), **POLICY)
            for version in range(1, last + 1):
                await simulation.upload(COMPONENT, bytes_of("Compatible"), **POLICY)
                order = {**BY_SNAPSHOT, "version": version}
                assert "ok" in await simulation.command("a", order)
                assert await get(simulation, f"g{version}") == TOTAL
                log = kinds(
                    [{"type": _name(e)} for _, e, _ in (await what_is_left(simulation)).entries()]
                )
                assert "SuccessfulUpdate" in log
            moved(simulation)
            # The keys from before are known still.
            simulation.results.clear()
            await simulation.publish("a", "add", 1_000, key="k1", message_id="again")
            assert (await simulation.result("k1"))["error"]["kind"] == "purged"
            assert await get(simulation, "g") == TOTAL
            await grown(simulation, start=ADDS + 1, end=ADDS + 20)
            await is_sound(simulation)
            moved(simulation)
            assert await get(simulation, "h") == sum(range(1, ADDS + 21))

    run(main())


def _name(entry: object) -> str:
    return type(entry).__name__


class Crashing:
    """Kills an executor around the n-th call of a method, and passes everything else on."""

    def __init__(self, node: Any, inner: Any, method: str, nth: int, when: str) -> None:
        self._node, self._inner, self._method = node, inner, method
        self._left, self._when = nth, when

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._around(found) if name == self._method else found

    def _around(self, call: Any) -> Any:
        async def crashing(*args: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0 and self._when == "before":
                self._node.kill()
                await asyncio.Event().wait()
            answer = await call(*args, **options)
            if self._left == 0:
                self._node.kill()
                await asyncio.Event().wait()
            return answer

        return crashing


STEPS = [
    *(("journal", "append", nth) for nth in range(4, 40, 1)),
    *(("journal", "purge", nth) for nth in range(1, 9)),
    *(("blobs", "put", nth) for nth in range(1, 9)),
    *(("blobs", "delete", nth) for nth in range(1, 6)),
    *(("blobs", "names", nth) for nth in range(1, 4)),
]


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_an_executor_that_dies_at_any_step_leaves_a_whole_log(step: tuple[str, str, int]) -> None:
    async def main() -> None:
        store, method, nth = step
        when = random.Random(str(step)).choice(("before", "after"))
        async with world() as simulation:
            node = simulation.start()
            inner = getattr(node.broker, store)
            setattr(node.broker, store, Crashing(node, inner, method, nth, when))

            async def revive() -> None:
                await asyncio.wait({node.task})
                await is_sound(simulation)
                simulation.start()

            reviver = asyncio.create_task(revive())
            await grown(simulation)
            assert reviver.done() or not node.killed
            reviver.cancel()
            moved(simulation)
            assert await get(simulation, "g") == TOTAL
            await grown(simulation, start=ADDS + 1, end=ADDS + 12)
            assert await is_sound(simulation) > 20
            simulation.results.clear()
            await simulation.publish("a", "add", 1_000, key="k1", message_id="again")
            assert (await simulation.result("k1"))["error"]["kind"] == "purged"

    run(main())


def test_a_log_that_has_lost_its_beginning_is_none_that_was_purged() -> None:
    async def main() -> None:
        async with world(history="keep") as simulation:
            simulation.start()
            await grown(simulation)
            journal = simulation.client.journal
            messages = [m async for m in journal.read(SUBJECT)]
            await journal.purge(SUBJECT, up_to_sequence=messages[5].sequence)
            with pytest.raises(CorruptLogError, match="hole"):
                await what_is_left(simulation)
            found = await verify(simulation.client, component=COMPONENT, worker="a")
            assert [each.kind for each in found.damaged[0].report.damage] == ["hole"]
            assert found.damaged[0].report.intact_to == 0

    run(main())


def test_a_purged_log_that_loses_more_is_damaged() -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            await grown(simulation)
            node.kill()
            journal = simulation.client.journal
            messages = [m async for m in journal.read(SUBJECT)]
            # The commit that the snapshot was taken after is gone too.
            await journal.purge(SUBJECT, up_to_sequence=messages[0].sequence)
            with pytest.raises(CorruptLogError, match="hole"):
                await what_is_left(simulation)
            found = await verify(simulation.client, component=COMPONENT, worker="a")
            assert [each.kind for each in found.damaged[0].report.damage] == ["hole"]

    run(main())


def test_verifying_looks_at_what_is_archived_too() -> None:
    async def main() -> None:
        async with world(history="archive") as simulation:
            simulation.start()
            await grown(simulation)
            assert await is_sound(simulation) > 4
            found = await verify(simulation.client, component=COMPONENT, worker="a")
            assert found.entries > 20 + ADDS
            blobs = simulation.client.blobs
            (oldest, *_) = await blobs.names("archive/")
            await blobs.put(oldest, b"nothing")
            found = await verify(simulation.client, component=COMPONENT, worker="a")
            assert {each.kind for each in found.damaged[0].report.damage} == {"archive", "hole"}

    run(main())


def test_a_worker_whose_policy_changes_goes_on() -> None:
    async def main() -> None:
        async with world(history="archive") as simulation:
            simulation.start()
            await grown(simulation)
            assert await simulation.client.blobs.names("archive/")
            total, start = TOTAL, ADDS + 1
            for version, history in enumerate(("purge", "archive", "purge", "keep"), 1):
                settings = {**POLICY, "history": history}
                await simulation.upload(COMPONENT, bytes_of("Compatible"), **settings)
                order = {**BY_SNAPSHOT, "version": version}
                assert "ok" in await simulation.command("a", order)
                await grown(simulation, start=start, end=start + 19)
                total += sum(range(start, start + 20))
                start += 20
                await is_sound(simulation)
                chunks = await simulation.client.blobs.names("archive/")
                assert bool(chunks) == (history == "archive"), history
                moved(simulation)
                assert await get(simulation, f"g{version}") == total

    run(main())
