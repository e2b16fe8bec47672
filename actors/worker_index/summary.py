"""The workers of a component version in short: how many there are, and what of them is saved."""

from msgspec import Struct

from actors.worker_index.listing import WorkerListing
from oplog.status import Status

__all__ = ["WorkerCounts", "count_workers"]


class WorkerCounts(Struct, rename="kebab"):
    """Sizes in bytes, of the newest snapshot of each; how long guests stood still in microseconds.

    `problems` counts those whose last snapshot was not taken, or did not load.
    """

    workers: int = 0
    saved: int = 0
    snapshots: int = 0
    size: int = 0
    size_max: int = 0
    took_us_max: int = 0
    problems: int = 0


async def count_workers(listing: WorkerListing, component: str, version: int) -> WorkerCounts:
    """Count the workers that run a version, by the index."""
    counts = WorkerCounts()

    def count(_name: str, status: Status) -> bool:
        if status.component_version == version:
            counts.workers += 1
            counts.snapshots += status.snapshots
            counts.problems += status.snapshot_problem is not None
            if status.snapshot_size is not None:
                counts.saved += 1
                counts.size += status.snapshot_size
                counts.size_max = max(counts.size_max, status.snapshot_size)
                counts.took_us_max = max(counts.took_us_max, status.snapshot_took_us or 0)
        # None is listed, so that one page looks at all.
        return False

    await listing.page(component, count, limit=1)
    return counts
