"""What workers send each other: requests and answers, as messages.

A request carries the address of its answer, the chain of callers up to the first, the trace, and
what a worker that it creates inherits. Its key is derived, so that sending it again after a crash
is noticed by the receiver, for ever.
"""

from collections.abc import Mapping
from typing import Final, final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from actors.calls import CallTable
from actors.errors import RejectedError
from actors.identity import WorkerId
from actors.recurrence import headers_of
from actors.waits import Answer
from broker import subjects
from oplog.entries import Caller, ClientMessage, Create, Failure, Order, RemoteCall, Repeat
from wit.errors import WitError

__all__ = [
    "INJECTED_VARIABLES",
    "Sending",
    "answer_of",
    "answer_to",
    "inherited_headers",
    "message_to_client",
    "occurrence",
    "order_for",
    "request_for",
]

INJECTED_VARIABLES: Final = (
    "SHEM_COMPONENT_NAME",
    "SHEM_COMPONENT_VERSION",
    "SHEM_WORKER_NAME",
)
"""What every worker is told about itself: its callees are told about themselves."""

_encode = msgspec.json.Encoder().encode


@final
class Sending(Struct, frozen=True):
    """A durable message. With `at_ms` (Unix time) it is one for later, kept at `schedule`.

    `obeys`: what an operator has left at `schedule` meanwhile says whether it is scheduled at all.
    """

    subject: str
    data: bytes
    message_id: str
    headers: Mapping[str, str]
    at_ms: int | None = None
    schedule: str = ""
    obeys: bool = False


def inherited_headers(created: Create) -> dict[str, str]:
    """Return the headers that say what arguments and environment a callee is created with."""
    headers: dict[str, str] = {}
    env = {name: value for name, value in created.env if name not in INJECTED_VARIABLES}
    if env:
        headers["Shem-Env"] = _encode(env).decode()
    if created.args:
        headers["Shem-Args"] = _encode(created.args).decode()
    return headers


def request_for(
    caller: Caller,
    call: RemoteCall,
    params: Raw | UnsetType,
    inherited: Mapping[str, str],
    *,
    tell_at: str | None,
) -> Sending:
    """Return the request that the entry which `caller` names causes.

    `tell_at`: the inbox of this executor, for an answer that comes while the caller is here.
    """
    values = Raw(b"[]") if isinstance(params, UnsetType) else params
    field = "values" if call.form == "wit-values" else "params"
    headers = {**inherited, "Shem-Key": call.key}
    if call.awaits:
        form = "wit-value" if call.form == "wit-values" else "json"
        reply_to = msgspec.structs.replace(caller, form=form)
        headers["Shem-Caller"] = _encode(reply_to).decode()
        if tell_at is not None:
            headers["Shem-Tell-At"] = tell_at
    if call.chain:
        headers["Shem-Chain"] = _encode(call.chain).decode()
    if call.traceparent is not None:
        headers["traceparent"] = call.traceparent
    if call.tracestate is not None:
        headers["tracestate"] = call.tracestate
    if call.attributes:
        headers["Shem-Attributes"] = _encode(dict(call.attributes)).decode()
    target = call.component, call.worker
    schedule = ""
    if call.run_at_ms is not None:
        headers["Shem-Due"] = str(call.run_at_ms)
        schedule = subjects.schedule(*target, f"{caller.incarnation}-{caller.index}")
    return Sending(
        subject=subjects.invoke(*target),
        data=_encode({"function": call.function, field: values}),
        message_id=f"{caller.incarnation}:{caller.index}",
        headers=headers,
        at_ms=call.run_at_ms,
        schedule=schedule,
    )


def order_for(caller: Caller, order: Order) -> Sending:
    """Return the command that the entry which `caller` names causes."""
    return Sending(
        subject=subjects.control(order.component, order.worker),
        data=order.body.encode(),
        message_id=f"{caller.incarnation}:{caller.index}",
        headers={"Shem-Caller": _encode(caller).decode()},
    )


def message_to_client(sent: ClientMessage, index: int, request: Raw | UnsetType) -> Sending:
    """Return the message to a client that entry `index` causes."""
    return Sending(
        subject=subjects.client_messages(sent.client),
        data=b"{}" if isinstance(request, UnsetType) else bytes(request),
        message_id=f"{sent.incarnation}:{index}",
        headers={},
    )


def occurrence(worker: WorkerId, message_id: str, repeat: Repeat) -> Sending:
    """Return the next occurrence of a recurring invocation."""
    names = worker.component, worker.worker
    return Sending(
        subject=subjects.invoke(*names),
        data=repeat.call.encode(),
        message_id=message_id,
        headers=headers_of(repeat),
        at_ms=repeat.due_ms,
        schedule=subjects.schedule(*names, subjects.encode_token(repeat.id)),
        obeys=True,
    )


def answer_of(
    caller: Caller,
    *,
    function: str | None,
    result: Raw | UnsetType,
    error: Failure | None,
    calls: CallTable | None,
) -> Answer:
    """Return the answer to a caller, its result in the form that it wants."""
    if caller.form == "wit-value" and error is None and not isinstance(result, UnsetType):
        result, error = _described(result, function, calls)
    return Answer(index=caller.index, incarnation=caller.incarnation, result=result, error=error)


def answer_to(caller: Caller, answer: Answer, *, message_id: str) -> Sending:
    """Return the message that carries an answer to a caller."""
    return Sending(
        subject=subjects.reply(caller.component, caller.worker),
        data=_encode(answer),
        message_id=message_id,
        headers={},
    )


def _described(
    result: Raw, function: str | None, calls: CallTable | None
) -> tuple[Raw | UnsetType, Failure | None]:
    problem: object = "the component is not there any more"
    if calls is not None and function is not None:
        try:
            return calls.find(function).wit_result(result), None
        except (RejectedError, WitError) as error:
            problem = error
    text = f"the result cannot be described as a node list: {problem}"
    return UNSET, Failure(kind="bad-result", message=text)
