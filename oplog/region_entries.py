"""Entries about other entries: what replay leaves out, and what belongs together.

Indices are those of this log, both ends included. What they do to replay stands in `oplog.plan`.
"""

from typing import Literal, TypeAlias

from msgspec import Struct

from oplog.base_entry import BaseEntry

__all__ = [
    "BeginAtomicRegion",
    "BeginRemoteTransaction",
    "BeginRemoteWrite",
    "ChangePersistenceLevel",
    "ChangeRetryPolicy",
    "CommittedRemoteTransaction",
    "EndAtomicRegion",
    "EndRemoteWrite",
    "Jump",
    "PersistenceLevel",
    "PreCommitRemoteTransaction",
    "PreRollbackRemoteTransaction",
    "RetryRule",
    "Revert",
    "RolledBackRemoteTransaction",
    "WorkerRetryPolicy",
]

PersistenceLevel: TypeAlias = Literal["persist-nothing", "persist-remote-side-effects", "smart"]


class Jump(BaseEntry, tag="jump", frozen=True, kw_only=True):
    """Replay leaves entries `start` to `end` out.

    The guest went back in its own history, or, with `retry`, an attempt of which they are half is
    done again.
    """

    start: int
    end: int
    retry: bool = False


class Revert(BaseEntry, tag="revert", frozen=True, kw_only=True):
    """An operator undid entries `start` to `end`: for the worker they never happened."""

    start: int
    end: int


class BeginAtomicRegion(BaseEntry, tag="begin-atomic-region", frozen=True, kw_only=True):
    """What follows is done as a whole: an attempt without its end is dropped and done again."""


class EndAtomicRegion(BaseEntry, tag="end-atomic-region", frozen=True, kw_only=True):
    """The region that began at `begin_index` is done."""

    begin_index: int


class BeginRemoteWrite(BaseEntry, tag="begin-remote-write", frozen=True, kw_only=True):
    """Something outside is about to be changed, perhaps by several calls.

    An attempt without its end is dropped and done again, unless it is not `idempotent`: then nobody
    knows whether it was done, and the worker cannot go on.
    """

    function: str
    idempotent: bool = True


class EndRemoteWrite(BaseEntry, tag="end-remote-write", frozen=True, kw_only=True):
    """The remote write that began at `begin_index` is done."""

    begin_index: int


class BeginRemoteTransaction(BaseEntry, tag="begin-remote-transaction", frozen=True, kw_only=True):
    """A transaction of another system begins, which knows it as `transaction_id`.

    `original_begin_index` is the first attempt, where this one repeats it.
    """

    function: str
    transaction_id: str
    original_begin_index: int | None = None


class PreCommitRemoteTransaction(
    BaseEntry, tag="pre-commit-remote-transaction", frozen=True, kw_only=True
):
    """The other system is about to be told to commit: from here on only it knows the outcome."""

    begin_index: int


class PreRollbackRemoteTransaction(
    BaseEntry, tag="pre-rollback-remote-transaction", frozen=True, kw_only=True
):
    """The other system is about to be told to roll back."""

    begin_index: int


class CommittedRemoteTransaction(
    BaseEntry, tag="committed-remote-transaction", frozen=True, kw_only=True
):
    """The other system has committed."""

    begin_index: int


class RolledBackRemoteTransaction(
    BaseEntry, tag="rolled-back-remote-transaction", frozen=True, kw_only=True
):
    """The other system has rolled back."""

    begin_index: int


class RetryRule(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="kebab"):
    """When a failed invocation is tried again; `max_attempts` counts the first try, too."""

    max_attempts: int
    min_delay_ns: int
    max_delay_ns: int
    multiplier: float
    max_jitter_factor: float | None = None


class ChangeRetryPolicy(BaseEntry, tag="change-retry-policy", frozen=True, kw_only=True):
    """The guest chose when its failures are tried again, from here on."""

    policy: RetryRule


class WorkerRetryPolicy(BaseEntry, tag="worker-retry-policy", frozen=True, kw_only=True):
    """An operator chose when this worker's failures are tried again, whatever others say of it.

    `text` is what the operator wrote; `policy` None takes the choice back.
    """

    text: str
    policy: RetryRule | None = None


class ChangePersistenceLevel(BaseEntry, tag="change-persistence-level", frozen=True, kw_only=True):
    """The guest chose what of its host calls is recorded, from here on."""

    level: PersistenceLevel
