"""How many sockets a worker may have, why they are not saved, and waiting for one."""

from collections.abc import Awaitable, Callable
from typing import Final, final

from actors.host.buffered import change_buffered
from actors.host.context import HostContext
from actors.host.pollable import Event, Pollable
from actors.host.saving import StateKey, refuses
from actors.host.sockets.limits import (
    RECEIVE_BUFFER_BYTES_MAX,
    SEND_BUFFER_BYTES_MAX,
    SOCKETS_MAX,
)

__all__ = ["SOCKET_REFUSED", "SocketReady", "count_socket"]

SOCKET_REFUSED: Final = "a connection cannot be saved"
_OPEN: Final = StateKey("sockets/open", is_transient=True)
_BUFFERS: Final = RECEIVE_BUFFER_BYTES_MAX + SEND_BUFFER_BYTES_MAX


def count_socket(context: HostContext, change: int) -> bool:
    """Count sockets; False: there are too many."""
    count: int = context.state.get(_OPEN, 0)
    if count + change > SOCKETS_MAX or not change_buffered(context, change * _BUFFERS):
        return False
    context.state[_OPEN] = count + change
    return True


@refuses(SOCKET_REFUSED)
@final
class SocketReady(Pollable):
    """Something that can be observed of a socket."""

    def __init__(self, ready: Callable[[], bool], wait: Callable[[], Awaitable[object]]) -> None:
        self._event = Event(ready, wait)

    def ready(self, context: HostContext) -> bool:
        """Look."""
        return self._event.ready(context)

    async def wait(self, context: HostContext) -> None:
        """Wait."""
        await self._event.wait(context)
