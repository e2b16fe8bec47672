"""What becomes of the workers of a component that was deployed in a new version."""

from collections.abc import Callable, Sequence
from functools import partial

from shem.client import Client
from shem.client.updates import UpdateOutcome
from shem.records import Component

__all__ = ["delete_workers", "move_workers"]

UPDATE_TIMEOUT_S = 60.0

OnOutcome = Callable[[str, UpdateOutcome], None]


async def move_workers(
    client: Client, components: Sequence[Component], mode: str, on_outcome: OnOutcome
) -> None:
    """Have all workers of these components run these versions, by a mode of updates.

    One that would do something else than its log says stays at its version: `on_outcome` is told.
    """
    for component in components:
        if component.type == "ephemeral":
            continue
        await client.update_workers(
            component.name,
            component.version,
            mode="snapshot-based" if mode == "snapshot-based" else "automatic",
            timeout_s=UPDATE_TIMEOUT_S,
            on_outcome=partial(on_outcome, component.name),
        )


async def delete_workers(
    client: Client, components: Sequence[Component], on_deleted: Callable[[str, str], None]
) -> None:
    """Delete all workers of these components: they begin anew with their next invocation."""
    for component in components:
        workers = [each.worker async for each in client.workers(component.name)]
        for worker in workers:
            await client.worker(component.name, worker).delete()
            on_deleted(component.name, worker)
