"""`shem:rpc/timeouts`: how long calls of other workers may take, by choice of the guest.

The choice is the guest's own state: it is made again at replay, and saved with the worker. What
follows from it, the deadline of a call, is recorded with the call.
"""

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.rpc.patience import CALL_TIMEOUT
from wit.values import Value, some

__all__ = ["TIMEOUTS"]

TIMEOUTS = HostInterface("shem:rpc/timeouts", version="0.1.0")


@TIMEOUTS.function("set-call-timeout", Kind.PURE)
def set_call_timeout(context: HostContext, timeout: Value) -> Value:
    """Choose; return what was chosen before."""
    before = call_timeout(context)
    if timeout is None:
        context.state.pop(CALL_TIMEOUT, None)
    else:
        context.state[CALL_TIMEOUT] = timeout[0]
    return before


@TIMEOUTS.function("call-timeout", Kind.PURE)
def call_timeout(context: HostContext) -> Value:
    """Return what is chosen."""
    chosen: int | None = context.state.get(CALL_TIMEOUT)
    return None if chosen is None else some(chosen)
