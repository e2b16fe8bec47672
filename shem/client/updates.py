"""Many workers moved to another version, some at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Literal

from msgspec import Struct

from shem.client.worker import Worker
from shem.errors import ShemError
from shem.records import WorkerStatus

__all__ = ["UPDATES_AT_ONCE", "UpdateOutcome", "update_all"]

UPDATES_AT_ONCE = 32


class UpdateOutcome(Struct, frozen=True):
    """What came of one worker's update: `updated`, `current` (it ran that version), or `failed`."""

    worker: str
    outcome: Literal["updated", "current", "failed"]
    reason: str | None = None


async def update_all(
    workers: AsyncIterator[WorkerStatus],
    handle: Callable[[str], Worker],
    version: int,
    *,
    mode: Literal["automatic", "snapshot-based"],
    timeout_s: float,
    on_outcome: Callable[[UpdateOutcome], None],
) -> None:
    """Update each worker and tell what came of it; one that fails keeps no other from it.

    Raises:
        ShemError: the workers cannot be listed.
    """
    slots = asyncio.Semaphore(UPDATES_AT_ONCE)

    async def update(worker: Worker) -> None:
        async with slots:
            on_outcome(await _update(worker, version, mode, timeout_s))

    async with asyncio.TaskGroup() as group:
        async for status in workers:
            if status.component_version == version and status.pending_update is None:
                on_outcome(UpdateOutcome(status.worker, "current"))
                continue
            async with slots:
                # Listing waits for a free place, so that there are never many tasks.
                pass
            group.create_task(update(handle(status.worker)))


async def _update(
    worker: Worker, version: int, mode: Literal["automatic", "snapshot-based"], timeout_s: float
) -> UpdateOutcome:
    try:
        await worker.update(version, mode=mode, timeout_s=timeout_s)
        status = await worker.wait_for_update(version, timeout_s=timeout_s)
    except ShemError as error:
        return UpdateOutcome(worker.name, "failed", f"{error.kind}: {error}")
    if status.component_version == version:
        return UpdateOutcome(worker.name, "updated")
    return UpdateOutcome(worker.name, "failed", status.last_update_problem)
