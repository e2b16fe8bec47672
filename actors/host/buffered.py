"""One limit on all that the host keeps in memory for a worker, whatever interface it belongs to.

Each kind of buffer has a limit of its own; a guest that has many of them at once meets this one. It
is counted where the guest itself is at work: when it writes, begins an exchange, connects, ends or
drops something. What comes from outside comes when it likes, so a buffer for it counts whole from
its beginning to its end. So a replay counts the same, and gives the same answers.
"""

from typing import Final, final

from actors.host.context import HostContext
from actors.host.saving import StateKey, saveable

__all__ = ["BUFFERED_BYTES_MAX", "Share", "buffered_bytes", "change_buffered", "full"]

BUFFERED_BYTES_MAX: Final = 256 << 20
_BYTES: Final = StateKey("buffered-bytes")


def buffered_bytes(context: HostContext) -> int:
    """Return what is counted now."""
    count: int = context.state.get(_BYTES, 0)
    return count


def full(count: int) -> str:
    """Return why `count` more bytes are refused."""
    return f"{count} bytes more: the host keeps at most {BUFFERED_BYTES_MAX} for one worker"


def change_buffered(context: HostContext, change: int) -> bool:
    """Count `change` bytes more, or fewer; False: there is no room, and nothing changes."""
    total = buffered_bytes(context) + change
    if change > 0 and total > BUFFERED_BYTES_MAX:
        return False
    # A snapshot of a version that did not count may hold what was never taken.
    context.state[_BYTES] = max(0, total)
    return True


@saveable("io/share", "size")
@final
class Share:
    """What one buffer has of the limit."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, context: HostContext, count: int) -> bool:
        """Have `count` bytes more; False: there is no room, and nothing changes."""
        if not change_buffered(context, count):
            return False
        self.size += count
        return True

    def resize(self, context: HostContext, size: int) -> bool:
        """Have `size` bytes from here on; False: there is no room, and nothing changes."""
        if not change_buffered(context, size - self.size):
            return False
        self.size = size
        return True

    def move_to(self, other: "Share") -> None:
        """Have another one count what this one did."""
        other.size += self.size
        self.size = 0

    def give_back(self, context: HostContext) -> None:
        """Have none any more. Idempotent."""
        if self.size:
            change_buffered(context, -self.size)
            self.size = 0
