"""Entries about moving a worker to another version of its component."""

from typing import Literal, TypeAlias

from msgspec import UNSET, Raw, UnsetType

from oplog.base_entry import BaseEntry

__all__ = ["FailedUpdate", "PendingUpdate", "SuccessfulUpdate", "UpdateMode"]

UpdateMode: TypeAlias = Literal["automatic", "snapshot-based"]


class PendingUpdate(BaseEntry, tag="pending-update", frozen=True, kw_only=True):
    """The worker is to run another version from here on.

    `snapshot` is what the old version's `save` returned, for the new version's `load` (as JSON
    base64 text): replay then begins here instead of at the first entry.
    """

    target_version: int
    mode: UpdateMode = "automatic"
    snapshot: Raw | UnsetType = UNSET


class SuccessfulUpdate(BaseEntry, tag="successful-update", frozen=True, kw_only=True):
    """The pending update is done: the worker runs `target_version`."""

    target_version: int
    component_size: int = 0


class FailedUpdate(BaseEntry, tag="failed-update", frozen=True, kw_only=True):
    """The pending update could not be done, and the worker runs the version that it ran before."""

    target_version: int
    details: str | None = None
