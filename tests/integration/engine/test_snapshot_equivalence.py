"""Guests of every toolchain, moved to another engine at any point between two calls, go on alike.

The host is a recorded one: results, output, and what the guest asks the host for, in order and with
arguments, must be those of the instance that was never stopped.
"""

import asyncio
import copy

import pytest
import recorded_wasi
from test_guests_compared import CALLS, TRAP, functions_of, guest

from actors.engine.engine import WasmtimeEngine
from actors.engine.errors import GuestTrap
from actors.engine.port import Limits

pytestmark = pytest.mark.timeout(600)


class Place:
    """An engine with the guest loaded, as another process would have it."""

    def __init__(self, component):
        self.functions = functions_of(component)
        self.program = component.link(recorded_wasi.Resolver())

    async def new(self, world):
        return await self.program.instantiate(world, Limits())

    async def restored(self, image, world):
        return await self.program.restore(world, Limits(), image)

    async def call(self, instance, call):
        name, *arguments = call
        try:
            return await instance.call(self.functions[name][1], arguments)
        except GuestTrap:
            return TRAP


async def never_stopped(place, calls, world):
    """Return the results, and the image and the world at each point between two calls."""
    instance = await place.new(world)
    results, points = [], []
    for call in calls:
        points.append((instance.save(), copy.deepcopy(world)))
        results.append(await place.call(instance, call))
    instance.close()
    return results, points


async def from_each_point(place, calls, results, points, world):
    """Go on from each point alone, to the end."""
    for number, (image, then) in enumerate(points):
        instance = await place.restored(image, then)
        try:
            rest = [await place.call(instance, call) for call in calls[number:]]
        finally:
            instance.close()
        assert rest == results[number:], f"from point {number}"
        assert then.calls == world.calls, f"from point {number}"
        assert then.output == world.output, f"from point {number}"


async def moving_on(places, calls, results, points, world):
    """Save, close and restore before each call, here and there in turns."""
    moving = recorded_wasi.World()
    instance = await places[0].new(moving)
    for number, call in enumerate(calls):
        image = instance.save()
        assert image.data == points[number][0].data, f"the image at point {number}"
        instance.close()
        place = places[number % 2]
        instance = await place.restored(image, moving)
        assert await place.call(instance, call) == results[number]
    instance.close()
    assert moving.calls == world.calls
    assert moving.output == world.output


@pytest.mark.parametrize("name", CALLS)
def test_a_guest_saved_at_any_point_goes_on_elsewhere(engine, cache_directory, name):
    data, calls = guest(name), CALLS[name]
    other = WasmtimeEngine(cache_directory)

    async def scenario():
        here, there = [Place(await each.load(data)) for each in (engine, other)]
        world = recorded_wasi.World()
        results, points = await never_stopped(here, calls, world)
        await from_each_point(there, calls, results, points, world)
        await moving_on([there, here], calls, results, points, world)

    asyncio.run(scenario())
    assert other.live_count == 0
    other.close()
