"""Thousands of instances come and go, in every way there is, and leave nothing behind."""

import asyncio
import gc
from pathlib import Path

import pytest
import soak_kinds
from test_composition import WAITING as COMPOSED_WAITING
from test_fibers import WAITING, host
from wat_guests import Guest, Host, component

from actors.engine import store
from actors.engine.port import Limits

CYCLES = 1500


class Stop(BaseException):
    pass


async def abandoned_in_wait(guest):
    call = asyncio.create_task(guest.call("twice", "never"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


async def stopped_by_the_host(guest):
    with pytest.raises(Stop):
        await guest.call("twice", "stop")


async def finished(guest):
    assert await guest.call("twice", "now") == "nownownownow"


async def closed_in_wait(guest):
    call = asyncio.create_task(guest.call("twice", "never"))
    await asyncio.sleep(0)
    guest.close()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


WAYS = [abandoned_in_wait, stopped_by_the_host, finished, closed_in_wait]


async def wait(data, text):
    if text == "never":
        await asyncio.Event().wait()
    if text == "stop":
        await asyncio.sleep(0)
        raise Stop
    return text * 2


# The same with a component inside, which gets the length of what was said.


async def said(guest):
    assert await guest.call("say", "now") == "now"


async def dropped(guest):
    await guest.call("drop", 3)


async def abandoned_inside(guest):
    call = asyncio.create_task(guest.call("say", "never"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


async def abandoned_in_a_destructor(guest):
    call = asyncio.create_task(guest.call("drop", len("never")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    guest.close()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


async def stopped_inside(guest):
    with pytest.raises(Stop):
        await guest.call("say", "stop")


COMPOSED_WAYS = [said, dropped, abandoned_inside, abandoned_in_a_destructor, stopped_inside]


async def wait_number(data, number):
    if number == len("never"):
        await asyncio.Event().wait()
    await asyncio.sleep(0)
    if number == len("stop"):
        raise Stop
    return number


def mappings():
    return len(Path("/proc/self/maps").read_text().splitlines())


def resident_bytes():
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096


@pytest.fixture
def others():
    """What other tests of this process hold: new instances that snapshots are compared with."""
    gc.collect()
    return set(store.stores), set(store._by_context)


@pytest.mark.parametrize("kind", ["single", "composed"])
def test_instances_leave_neither_memory_nor_mappings_behind(engine, kind, others):
    async def scenario():
        if kind == "single":
            loaded, ways = await engine.load(component(WAITING)), WAYS
            program = loaded.link(host(wait))
        else:
            loaded, ways = await engine.load(component(COMPOSED_WAITING)), COMPOSED_WAYS
            program = loaded.link(Host(waiting={"wait": wait_number}))

        async def cycle(count):
            for number in range(count):
                guest = Guest(loaded, await program.instantiate(None, Limits()))
                await ways[number % len(ways)](guest)
                guest.close()
            gc.collect()

        await cycle(100)
        before = mappings(), resident_bytes()
        await cycle(CYCLES)
        after = mappings(), resident_bytes()
        assert engine.live_count == 0
        assert store.stores.keys() <= others[0]
        assert store._by_context.keys() <= others[1]
        assert after[0] <= before[0] + 20
        # A leaked store is at least two pages: more than 12 MB over all cycles.
        assert after[1] <= before[1] + 4_000_000

    asyncio.run(scenario())


def test_saving_and_restoring_leaves_nothing_behind(engine, others):
    async def scenario():
        lives = await soak_kinds.moved(engine)

        async def cycle(count):
            for number in range(count):
                await lives[number % len(lives)].live()
            gc.collect()

        await cycle(50)
        before = mappings(), resident_bytes(), len(store.stores.keys() - others[0])
        await cycle(500)
        after = mappings(), resident_bytes(), len(store.stores.keys() - others[0])
        assert engine.live_count == 0
        # One new instance for each program, to compare with.
        assert before[2] <= len(lives)
        assert after[2] == before[2]
        assert after[0] <= before[0] + 20
        assert after[1] <= before[1] + 4_000_000

    asyncio.run(scenario())
