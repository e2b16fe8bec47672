"""Entries about automatic snapshots: hints, since replay needs none of them."""

from typing import Literal

from oplog.base_entry import BaseEntry

__all__ = ["Snapshot", "SnapshotFailed"]


class Snapshot(BaseEntry, tag="snapshot", frozen=True, kw_only=True):
    """The worker as it was after entry `index` lies in the blob store, as `blob`.

    `size` and `sha256` are of the blob; `took_us` is how long the guest stood still for it.
    """

    index: int
    blob: str
    size: int
    sha256: str
    took_us: int = 0


class SnapshotFailed(BaseEntry, tag="snapshot-failed", frozen=True, kw_only=True):
    """A snapshot could not be taken (`save`) or used (`load`): the worker is replayed instead.

    Recorded when the reason changes, not each time.
    """

    operation: Literal["save", "load"]
    reason: str
