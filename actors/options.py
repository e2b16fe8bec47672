"""What an operator can set on an executor."""

from msgspec import Struct

from actors.retry import RetryPolicy

__all__ = ["ExecutorOptions"]


class ExecutorOptions(Struct, frozen=True, kw_only=True):
    """Settings of one executor process.

    `memory_bytes_max` is the budget of all resident guests and of the idempotency keys kept beside
    them; idle ones beyond it leave memory, least recently used first. Of those that leave, short
    logs are kept, so that they come back without being read: `remembered_bytes_max` of them in all,
    and no more than a sixteenth of the budget.
    A wait of at least `suspend_after_s` suspends the worker.
    A call of another worker that is not answered within `call_timeout_s` fails; None: never.
    What ephemeral workers leave behind is removed `ephemeral_kept_s` after their last invocation.
    `measured`: somebody reads the metrics, so that phases of invocations are timed.
    """

    name: str
    memory_bytes_max: int = 4 << 30
    resident_workers_max: int = 6_000
    remembered_bytes_max: int = 256 << 20
    worker_memory_bytes_max: int = 1 << 30
    suspend_after_s: float = 10.0
    call_timeout_s: float | None = None
    ephemeral_kept_s: float = 3_600.0
    retry: RetryPolicy = RetryPolicy()
    measured: bool = False
    snapshots: str | None = None
    """A snapshot policy that stands in for those of all components."""

    @property
    def remembered_bytes(self) -> int:
        """How many bytes of logs are kept."""
        return min(self.remembered_bytes_max, self.memory_bytes_max // 16)
