"""Lives of instances for the soak: what is made, done with it, saved, restored, and closed."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import recorded_wasi
import test_leaks
import test_snapshots
from wat_guests import Guest, Host, component

from actors.engine.errors import GuestTrap
from actors.engine.port import InstanceImage, Limits
from tests.guests.build import build


@dataclass
class Life:
    """One way to live; `live` returns how often the instance was made from a snapshot."""

    name: str
    live: Callable[[], Awaitable[int]]


async def plain(engine):
    """Never saved: finished, abandoned, stopped by the host, closed while they wait."""
    single = await engine.load(component(test_leaks.WAITING))
    composed = await engine.load(component(test_leaks.COMPOSED_WAITING))
    kinds = [
        (single, single.link(test_leaks.host(test_leaks.wait)), test_leaks.WAYS),
        (
            composed,
            composed.link(Host(waiting={"wait": test_leaks.wait_number})),
            test_leaks.COMPOSED_WAYS,
        ),
    ]

    def life(loaded, program, way):
        async def live():
            guest = Guest(loaded, await program.instantiate(None, Limits()))
            await way(guest)
            guest.close()
            return 0

        return Life(way.__name__, live)

    return [life(loaded, program, way) for loaded, program, ways in kinds for way in ways]


async def moved(engine):
    """Saved after each call and made anew; the last one is suspended in the middle of a call."""
    lives = []
    for name, text, host, calls in (
        ("state of all kinds", test_snapshots.STATE, None, [("step", n) for n in (0, 1, 2, 3)]),
        (
            "handles of the host",
            test_snapshots.THINGS,
            test_snapshots.things,
            [("make", 5), ("make", 6), ("drop", 1), ("make", 7), ("peek", 1)],
        ),
        (
            "nested components",
            test_snapshots.NESTED,
            None,
            [("make", 0), ("make", 1), ("look", 1, 2)],
        ),
        (
            "dropped segments",
            test_snapshots.SEGMENTS,
            None,
            [("init", 0, 4), ("drop", 0), ("fill", 2), ("drop", 2), ("init", 1, 4), ("fill", 2)],
        ),
    ):
        loaded = await engine.load(component(text))
        program = loaded.link(host() if host else Host())
        functions = {each.name: each for each in loaded.world.export_functions}
        lives.append(Life(name, _moving(program, functions, calls, lambda: None)))
    lives.append(await _suspended(engine))
    return lives


async def interpreted(engine):
    """The guests that carry an interpreter with them: Python."""
    loaded = await engine.load(build("counter").read_bytes())
    program = loaded.link(recorded_wasi.Resolver())
    functions = {
        each.name: each for part in loaded.world.export_interfaces for each in part.functions
    }
    calls = [("add", 5), ("say", "hello"), ("rolled",)]
    return [Life("Python", _moving(program, functions, calls, recorded_wasi.World))]


def _moving(program, functions, calls, new_world):
    async def live():
        world = new_world()
        instance = await program.instantiate(world, Limits())
        restored = 0
        for name, *arguments in calls:
            try:
                await instance.call(functions[name], arguments)
            except GuestTrap:
                break
            image = instance.save()
            instance.close()
            instance = await program.restore(world, Limits(), _copy(image))
            restored += 1
        instance.close()
        return restored

    return live


def _copy(image):
    return InstanceImage(bytes(bytearray(image.data)), image.objects)


async def _suspended(engine):
    loaded = await engine.load(component(test_leaks.WAITING))
    program = loaded.link(test_leaks.host(test_leaks.wait))

    async def live():
        guest = Guest(loaded, await program.instantiate(None, Limits()))
        await test_leaks.finished(guest)
        image = guest.instance.save()
        for _ in range(2):
            call = asyncio.create_task(guest.call("twice", "never"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            guest.close()
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            guest.instance = await program.restore(None, Limits(), image)
        await test_leaks.finished(guest)
        guest.close()
        return 2

    return Life("suspended in a call", live)
