"""Which of some components call each other: a client's package is named by that of what it calls.

demo:counter/api        what a component exports
demo:counter-client/…   what its callers import
"""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from wit.component import describe
from wit.errors import WitError
from wit.world import World

__all__ = ["wired"]

_CLIENT = "-client"


def wired(components: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
    """Return the links of each component, by imported interface; callers stand behind the called.

    What is no component has no links, and so has a client of something that is not among them.
    """
    worlds = {name: _world(data) for name, data in components.items()}
    serving = {
        _package(each.name): name
        for name, world in worlds.items()
        if world is not None
        for each in world.export_interfaces
    }
    links = {name: _links(world, serving) for name, world in worlds.items()}
    sorter = TopologicalSorter(
        {name: set(linked.values()) - {name} for name, linked in links.items()}
    )
    try:
        order = list(sorter.static_order())
    except CycleError:
        order = list(components)
    return {name: links[name] for name in order}


def _links(world: World | None, serving: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in () if world is None else world.import_interfaces:
        package = _package(each.name)
        called = package.removesuffix(_CLIENT)
        if called != package and called in serving:
            found[each.name] = serving[called]
    return found


def _world(data: bytes) -> World | None:
    try:
        return describe(data)
    except WitError:
        return None


def _package(interface: str) -> str:
    return interface.partition("/")[0]
