"""What is open outside for a worker: closed when its instance ends, however it ends."""

from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from actors.host.context import HostContext
from actors.host.saving import StateKey

__all__ = ["Open", "hold"]

_LIVE: Final = StateKey("sockets/live", is_transient=True)


class Open(Protocol):
    """Something that has a socket of the system."""

    on_end: Callable[[], None]
    """What to call when it is closed."""

    def abort(self) -> None:
        """Close it at once. Idempotent."""
        ...


def hold(context: HostContext, one: Open) -> None:
    """Close `one` with the instance, if it is not closed before."""
    live: set[Open] | None = context.state.get(_LIVE)
    if live is None:
        live = context.state[_LIVE] = set[Open]()
        # One callback for all: a server has more connections than it could remember.
        context.on_close(partial(_close, live))
    live.add(one)
    one.on_end = partial(live.discard, one)


def _close(live: set[Open]) -> None:
    for one in list(live):
        one.abort()
