"""The components that a program may call."""

import asyncio
from collections.abc import Iterable

from shem.client import Client
from wit.world import World

__all__ = ["worlds"]


async def worlds(client: Client, names: Iterable[str]) -> dict[str, World]:
    """Return what the newest versions of components export, by name; all of them for no name.

    Raises:
        UnknownComponentError: there is no such component.
        RefusedError: of kind `bad-component`, with the reason.
    """
    chosen = list(dict.fromkeys(names)) or [each.name for each in await client.components.all()]
    try:
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(client.components.typed(name)) for name in chosen]
    except ExceptionGroup as group:
        # One reason is enough, and all of them are of the kinds above.
        raise group.exceptions[0] from group
    return {name: task.result().world for name, task in zip(chosen, asked, strict=True)}
