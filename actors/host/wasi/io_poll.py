"""`wasi:io/poll`."""

from collections.abc import Sequence

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.pollable import Pollable, wait_for_any
from actors.host.wasi.version import WASI_VERSION

__all__ = ["POLL"]

POLL = HostInterface("wasi:io/poll", version=WASI_VERSION)


def _ready_if(context: HostContext, arguments: Sequence[Pollable], ready: bool) -> None:  # noqa: FBT001 - it is what the call returned
    if ready:
        arguments[0].reported(context)


def _is_ready(context: HostContext, arguments: Sequence[Pollable], _: None) -> None:
    arguments[0].reported(context)


def _are_ready(
    context: HostContext, arguments: Sequence[Sequence[Pollable]], ready: Sequence[int]
) -> None:
    for index in ready:
        arguments[0][index].reported(context)


@POLL.function("[method]pollable.ready", Kind.READ_LOCAL, after=_ready_if)
def ready(context: HostContext, pollable: Pollable) -> bool:
    """Observe, without waiting."""
    return pollable.ready(context)


@POLL.function("[method]pollable.block", Kind.BLOCKING, blocking=True, after=_is_ready)
async def block(context: HostContext, pollable: Pollable) -> None:
    """Wait for one."""
    await wait_for_any(context, [pollable])


@POLL.function("poll", Kind.BLOCKING, blocking=True, after=_are_ready)
async def poll(context: HostContext, pollables: Sequence[Pollable]) -> list[int]:
    """Wait for the first and return the indices of all that are ready then."""
    return await wait_for_any(context, pollables)


@POLL.drop("pollable")
def drop(context: HostContext, pollable: Pollable) -> None:
    """Let go of what it observed."""
    pollable.close(context)
