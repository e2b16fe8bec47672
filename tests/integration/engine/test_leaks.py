"""Thousands of instances come and go, in every way there is, and leave nothing behind."""

import asyncio
import gc
from pathlib import Path

import pytest
from test_fibers import WAITING, host
from wat_guests import Guest, component

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


def mappings():
    return len(Path("/proc/self/maps").read_text().splitlines())


def resident_bytes():
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * 4096


def test_instances_leave_neither_memory_nor_mappings_behind(engine):
    async def wait(data, text):
        if text == "never":
            await asyncio.Event().wait()
        if text == "stop":
            await asyncio.sleep(0)
            raise Stop
        return text * 2

    async def scenario():
        loaded = await engine.load(component(WAITING))
        program = loaded.link(host(wait))
        ways = [abandoned_in_wait, stopped_by_the_host, finished, closed_in_wait]

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
        assert not store.stores
        assert not store._by_context
        assert after[0] <= before[0] + 20
        # A leaked store is at least two pages: more than 12 MB over all cycles.
        assert after[1] <= before[1] + 4_000_000

    asyncio.run(scenario())
