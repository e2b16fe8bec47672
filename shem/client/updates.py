"""Many workers moved to another version, some at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, Literal

from msgspec import Struct

from shem.client.worker import Worker
from shem.errors import RefusedError, ResultTimeoutError, ShemError, UnavailableError
from shem.records import WorkerStatus

__all__ = ["UPDATES_AT_ONCE", "UpdateOutcome", "update_all"]

UPDATES_AT_ONCE: Final = 32
# An executor that dies takes answers with it, and another one has its workers within seconds.
ANSWER_TIMEOUT_S: Final = 10.0


class UpdateOutcome(Struct, frozen=True):
    """What came of one worker's update: `updated`, `current` (it ran that version), or `failed`.

    In a dry run: what would come of it.
    """

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
    dry_run: bool,
    on_outcome: Callable[[UpdateOutcome], None],
) -> None:
    """Update each worker and tell what came of it; one that fails keeps no other from it.

    Raises:
        ShemError: the workers cannot be listed.
    """
    slots = asyncio.Semaphore(UPDATES_AT_ONCE)

    async def update(worker: Worker) -> None:
        async with slots:
            if dry_run:
                on_outcome(await _rehearse(worker, version))
            else:
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
        await _order(worker, version, mode, timeout_s)
        status = await worker.wait_for_update(version, timeout_s=timeout_s)
    except ShemError as error:
        return UpdateOutcome(worker.name, "failed", f"{error.kind}: {error}")
    if status.component_version == version:
        return UpdateOutcome(worker.name, "updated")
    return UpdateOutcome(worker.name, "failed", status.last_update_problem)


async def _order(
    worker: Worker, version: int, mode: Literal["automatic", "snapshot-based"], timeout_s: float
) -> None:
    """Give the order, again if its answer was lost with an executor."""
    for _ in range(1 + round(timeout_s // ANSWER_TIMEOUT_S)):
        try:
            await worker.update(version, mode=mode, timeout_s=ANSWER_TIMEOUT_S)
        except (ResultTimeoutError, UnavailableError):
            continue
        except RefusedError:
            # The first order may have been obeyed, and not answered.
            status = await worker.wait_for_update(version, timeout_s=timeout_s)
            if status.component_version != version:
                raise
        return


async def _rehearse(worker: Worker, version: int) -> UpdateOutcome:
    try:
        reason = await worker.rehearse_update(version)
    except ShemError as error:
        reason = f"{error.kind}: {error}"
    return UpdateOutcome(worker.name, "updated" if reason is None else "failed", reason)
