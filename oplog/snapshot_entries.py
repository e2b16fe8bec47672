"""Entries about snapshots: hints, since replay needs none of them."""

from typing import Literal

from msgspec import UNSET, Raw, UnsetType

from oplog.base_entry import BaseEntry

__all__ = ["Purged", "Snapshot", "SnapshotFailed"]


class Snapshot(BaseEntry, tag="snapshot", frozen=True, kw_only=True):
    """The worker as it was after entry `index` lies in the blob store, as `blob`.

    `size` and `sha256` are of the blob; `took_us` is how long the guest stood still for it;
    `custom`: in its own words.
    """

    index: int
    blob: str
    size: int
    sha256: str
    took_us: int = 0
    custom: bool = False


class Purged(BaseEntry, tag="purged", frozen=True, kw_only=True):
    """The entries up to `index` are gone: the snapshot in `blob` stands for them, for good.

    `log_sequence` is where the commit stood that ends with `index`; `base` repeats in short what
    was said up to there, see `oplog.purge`.
    """

    index: int
    log_sequence: int
    blob: str
    base: Raw | UnsetType = UNSET


class SnapshotFailed(BaseEntry, tag="snapshot-failed", frozen=True, kw_only=True):
    """A snapshot could not be taken (`save`) or used (`load`): the worker is replayed instead.

    Recorded when the reason changes, not each time.
    """

    operation: Literal["save", "load"]
    reason: str
