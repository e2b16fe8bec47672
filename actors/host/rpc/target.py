"""A worker of another component as a guest holds it, and what its calls give back."""

import uuid
from typing import Any, Final, final

from msgspec import Raw, Struct

from actors.host.context import Answered, CallRequest, HostContext, Refused
from actors.host.pollable import Always, AnswerReady, Pollable, reported_answers
from actors.host.saving import saveable, saveable_struct
from wit.values import Value, err

__all__ = ["CancellationToken", "FutureAnswer", "Target", "rpc_error"]

_DENIED: Final = {"denied"}
_NOT_FOUND: Final = {"unknown-component", "unknown-function", "unknown-worker", "bad-worker-name"}
_PROTOCOL: Final = {"bad-message", "bad-parameters", "bad-result", "too-large"}


def rpc_error(refused: Refused) -> Value:
    """Return the `rpc-error` that says why a call has no result."""
    text = f"{refused.kind}: {refused.message}"
    if refused.kind in _NOT_FOUND:
        return ("not-found", text)
    if refused.kind in _PROTOCOL:
        return ("protocol-error", text)
    if refused.kind in _DENIED:
        return ("denied", text)
    return ("remote-internal-error", text)


@saveable_struct("rpc/target")
@final
class Target(Struct, frozen=True):
    """Whom to call. `component` is a name, or the UUID that guests know; no `worker`: new ones."""

    component: str | uuid.UUID
    worker: str | None = None

    def request(self, function: str, params: Raw, **options: Any) -> CallRequest:
        """Return a call of it."""
        return CallRequest(
            component=self.component,
            worker=self.worker,
            function=function,
            params=params,
            **options,
        )


@saveable("rpc/future-answer", "_name", "_asked", "_is_taken", "_answered")
@final
class FutureAnswer:
    """An answer that may have come or not, or a call that could not be made."""

    def __init__(self, name: str, asked: int | Refused) -> None:
        self._name = name
        self._asked = asked
        self._is_taken = isinstance(asked, Refused)
        self._answered = Answered(error=asked) if isinstance(asked, Refused) else None

    def subscribe(self) -> Pollable:
        """Return what becomes ready with the answer."""
        return Always() if isinstance(self._asked, Refused) else AnswerReady(self._asked)

    async def get(self, context: HostContext) -> Answered | None:
        """Return the answer, None if it is not there yet; always the same once it is.

        One that the guest knows to be there is waited for, if a crash took it away.
        """
        if self._answered is None and not isinstance(self._asked, Refused):
            reported = reported_answers(context)
            self._answered = await context.take_answer(
                f"{self._name}.answer", self._asked, wait=self._asked in reported
            )
            self._is_taken = self._answered is not None
            if self._is_taken:
                reported.discard(self._asked)
        return self._answered

    def close(self, context: HostContext) -> None:
        """The guest dropped it: an answer that comes later is of no use."""
        if not self._is_taken and not isinstance(self._asked, Refused):
            self._is_taken = True
            reported_answers(context).discard(self._asked)
            context.forget_answer(f"{self._name}.forgotten", self._asked)


@saveable("rpc/cancellation-token", "_target", "_asked")
@final
class CancellationToken:
    """A scheduled call, to be taken back before it is due."""

    def __init__(self, target: Target, asked: int | Refused) -> None:
        self._target = target
        self._asked = asked

    async def cancel(self, context: HostContext, name: str) -> None:
        """Take it back, recorded as host call `name`; nothing happens if it is due."""
        if not isinstance(self._asked, Refused):
            await context.cancel_scheduled(
                name, self._target.component, self._target.worker, self._asked
            )


def refused(error: Refused) -> Value:
    """Return the WIT result of a call that failed."""
    return err(rpc_error(error))
