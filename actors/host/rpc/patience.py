"""How long a guest lets its calls take."""

from typing import Final

from actors.host.context import HostContext
from actors.host.saving import StateKey

__all__ = ["CALL_TIMEOUT", "call_timeout_ms"]

CALL_TIMEOUT: Final = StateKey("rpc/call-timeout")
"""In nanoseconds."""
_NS_PER_MS: Final = 1_000_000


def call_timeout_ms(context: HostContext) -> int | None:
    """Return the time-out that the guest has chosen, in whole milliseconds, None: none."""
    chosen_ns: int | None = context.state.get(CALL_TIMEOUT)
    return None if chosen_ns is None else -(-chosen_ns // _NS_PER_MS)
