"""Names for shell completion, asked of the running system; silence if it does not answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from shem.cli.suggest import function_names, version_of
from shem.client import Client
from shem.errors import ShemError

__all__ = ["component_names", "functions", "worker_ids"]

# Completion runs at every press of the key.
TIMEOUT_S: Final = 1.5
NAMES_MAX: Final = 100


def component_names(incomplete: str) -> list[str]:
    """Return the components whose names begin with `incomplete`."""
    return _ask(lambda client: _components(client, incomplete))


def worker_ids(incomplete: str) -> list[str]:
    """Return workers as `COMPONENT/WORKER`, or components while there is no slash."""
    component, slash, prefix = incomplete.partition("/")
    if not slash:
        return [f"{name}/" for name in component_names(component)]
    return _ask(lambda client: _workers(client, component, prefix))


def functions(ctx: Any, incomplete: str) -> list[str]:
    """Return the functions of the worker that was given before, as short as they can be called."""
    worker = ctx.params.get("worker")
    if worker is None:
        return []
    return _ask(lambda client: _functions(client, worker.component, worker.worker, incomplete))


async def _functions(client: Client, component: str, worker: str, prefix: str) -> list[str]:
    version = await version_of(client, component, worker)
    described = await client.components.describe(component, version)
    names = function_names(described.exports)
    return [name for name in names if name.startswith(prefix)][:NAMES_MAX]


async def _components(client: Client, prefix: str) -> list[str]:
    names = [record.name for record in await client.components.all()]
    return [name for name in names if name.startswith(prefix)][:NAMES_MAX]


async def _workers(client: Client, component: str, prefix: str) -> list[str]:
    found: list[str] = []
    async for status in client.workers(component, prefix=prefix):
        found.append(f"{component}/{status.worker}")
        if len(found) >= NAMES_MAX:
            break
    return found


def _ask(question: Callable[[Client], Awaitable[list[str]]]) -> list[str]:
    async def session() -> list[str]:
        async with asyncio.timeout(TIMEOUT_S):
            async with await Client.connect(timeout_s=TIMEOUT_S) as client:
                return await question(client)

    try:
        return asyncio.run(session())
    except (ShemError, TimeoutError):
        return []
