"""A componentize-py guest end to end: CPython 3.14 with all of WASI in Python."""

import asyncio
import time

import pytest
from python_guest import python_guest
from small_wasi import Entry, Host, World

from actors.engine.errors import GuestTrap, MissingImportsError
from actors.engine.port import Limits

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def component_bytes():
    return python_guest()


class Guest:
    """An instance and its functions by name."""

    def __init__(self, instance, functions, world):
        self.instance, self.functions, self.world = instance, functions, world

    async def call(self, name, *arguments):
        return await self.instance.call(self.functions[name], arguments)


async def new_guest(engine, component_bytes, *, seed=1, limits=None):
    component = await engine.load(component_bytes)
    functions = {
        function.name: function
        for interface in component.world.export_interfaces
        for function in interface.functions
    }
    world = World(seed=seed)
    instance = await component.link(Host()).instantiate(world, limits or Limits())
    return Guest(instance, functions, world)


def test_print_reaches_the_host_and_text_comes_back(engine, component_bytes):
    async def scenario():
        guest = await new_guest(engine, component_bytes)
        text = await guest.call("greet", "Zoë")
        assert text.startswith("hello Zoë ")
        assert guest.world.output[1].decode() == "hello Zoë\n"
        assert guest.world.output[2].decode() == "to stderr\n"
        guest.instance.close()

    asyncio.run(scenario())


def test_records_results_and_long_lists_arrive_whole(engine, component_bytes):
    async def scenario():
        guest = await new_guest(engine, component_bytes)
        items = [{"name": f"item {index}", "qty": index, "price": 0.5} for index in range(1000)]
        assert await guest.call("total", items) == ("ok", sum(range(1000)) * 0.5)
        assert await guest.call("total", []) == ("err", "no items")
        data = bytes(range(256)) * 4096
        assert await guest.call("echo", data) == data
        guest.instance.close()

    asyncio.run(scenario())


def test_randomness_is_decided_by_the_host(engine, component_bytes):
    async def scenario():
        rolls = []
        for seed in (7, 7, 8):
            guest = await new_guest(engine, component_bytes, seed=seed)
            rolls.append(await guest.call("roll", 5))
            guest.instance.close()
        assert rolls[0] == rolls[1] != rolls[2]

    asyncio.run(scenario())


def test_sleeping_guests_wait_beside_each_other(engine, component_bytes):
    async def scenario():
        guests = [await new_guest(engine, component_bytes, seed=seed) for seed in range(5)]
        for guest in guests:
            await guest.call("now")
        before = time.monotonic()
        naps = await asyncio.gather(*[guest.call("nap", 1.0) for guest in guests])
        # One after the other would take five seconds; the bound is no matter of speed.
        assert time.monotonic() - before < 4
        assert all(nap >= 10**9 for nap in naps)
        for guest in guests:
            guest.instance.close()

    asyncio.run(scenario())


def test_time_comes_from_the_host(engine, component_bytes):
    async def scenario():
        guest = await new_guest(engine, component_bytes)
        before = time.monotonic_ns(), time.time()
        monotonic, wall = await guest.call("now")
        assert before[0] <= monotonic <= time.monotonic_ns()
        assert before[1] - 1 <= wall <= time.time() + 1
        guest.instance.close()

    asyncio.run(scenario())


def test_resources_of_the_host_are_its_own_objects(engine, component_bytes):
    async def scenario():
        guest = await new_guest(engine, component_bytes)
        assert await guest.call("remember", "first") == 1
        assert await guest.call("remember", "second") == 2
        dropped = [each for name, each in guest.world.dropped if name == "entry"]
        assert [entry.content for entry in dropped] == ["first", "second"]
        assert all(isinstance(entry, Entry) for entry in dropped)
        guest.instance.close()

    asyncio.run(scenario())


def test_an_exception_of_the_guest_is_a_trap_with_a_backtrace(engine, component_bytes):
    async def scenario():
        guest = await new_guest(engine, component_bytes)
        with pytest.raises(GuestTrap) as caught:
            await guest.call("fail")
        assert caught.value.kind == "unreachable"
        assert "componentize_py_runtime" in caught.value.backtrace
        assert "RuntimeError: as asked" in guest.world.output[2].decode()

    asyncio.run(scenario())


def test_an_endless_loop_neither_blocks_others_nor_escapes(engine, component_bytes):
    async def scenario():
        spinning = await new_guest(engine, component_bytes)
        other = await new_guest(engine, component_bytes)
        task = asyncio.create_task(spinning.call("spin"))
        await asyncio.sleep(0)
        for _ in range(20):
            assert len(await other.call("roll", 1)) == 1
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert engine.live_count == 1
        other.instance.close()

    asyncio.run(scenario())


def test_missing_imports_are_all_named(engine, component_bytes):
    class Bare:
        def function(self, interface, name, type_):
            return None

        def drop(self, resource):
            return None

    async def scenario():
        component = await engine.load(component_bytes)
        with pytest.raises(MissingImportsError) as caught:
            component.link(Bare())
        missing = caught.value.missing
        assert "test:engine/store#[method]entry.text" in missing
        assert any(
            name.startswith("wasi:random/random@0.2") and name.endswith("#get-random-bytes")
            for name in missing
        )

    asyncio.run(scenario())


def test_memory_is_limited_per_instance(engine, component_bytes):
    async def scenario():
        with pytest.raises(GuestTrap) as caught:
            await new_guest(engine, component_bytes, limits=Limits(memory_bytes_max=1 << 20))
        assert caught.value.kind == "limit"
        guest = await new_guest(engine, component_bytes, limits=Limits(memory_bytes_max=64 << 20))
        assert 0 < guest.instance.memory_bytes <= 64 << 20
        guest.instance.close()

    asyncio.run(scenario())
