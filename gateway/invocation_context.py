"""What a binding says in Rib of the invocations that a request causes: their trace, attributes."""

import re
import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from msgspec import Struct
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from actors.limits import ATTRIBUTE_CHARACTERS_MAX, ATTRIBUTES_MAX
from gateway.errors import RequestError
from wit.type_text import type_text
from wit.types import EnumType, OptionType, Primitive, RecordType, Type
from wit.values import Value
from wit.wave import format_value

__all__ = ["NO_CONTEXT", "InvocationContext", "check_context", "invocation_context"]

TRACE_ID: Final = "trace-id"
SPAN_ID: Final = "span-id"
TRACE_STATE: Final = "trace-state"
_IDS: Final = {TRACE_ID: re.compile("[0-9a-f]{32}"), SPAN_ID: re.compile("[0-9a-f]{16}")}
_TRACE: Final = frozenset({*_IDS, TRACE_STATE})


class InvocationContext(Struct, frozen=True):
    """What travels with the invocations of a request, besides the trace that it came in.

    With `trace_id` they belong to that trace, below `span_id`.
    """

    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    attributes: Mapping[str, str] = {}

    @contextmanager
    def entered(self) -> Generator[None]:
        """Have what is published meanwhile belong to the trace."""
        if self.trace_id is None:
            yield
            return
        span = SpanContext(
            trace_id=int(self.trace_id, 16),
            span_id=int(self.span_id or secrets.token_hex(8), 16),
            is_remote=True,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
            trace_state=TraceState.from_header([self.trace_state or ""]),
        )
        token = context.attach(trace.set_span_in_context(NonRecordingSpan(span)))
        try:
            yield
        finally:
            context.detach(token)


NO_CONTEXT: Final = InvocationContext()


def check_context(type_: Type | None) -> Sequence[str]:
    """Return why a program's value is no invocation context, empty if it is one."""
    if not isinstance(type_, RecordType) or not type_.fields:
        shown = "nothing" if type_ is None else type_text(type_)
        return [f"it must be a record of texts, not {shown}"]
    if len(type_.fields) > ATTRIBUTES_MAX:
        return [f"it has {len(type_.fields)} fields, at most {ATTRIBUTES_MAX}"]
    found: list[str] = []
    names = {field.name for field in type_.fields}
    for field in type_.fields:
        kind = field.type.some if isinstance(field.type, OptionType) else field.type
        if field.name in _TRACE and kind is not Primitive.STRING:
            found.append(f"`{field.name}` must be a string")
        elif not isinstance(kind, EnumType | Primitive):
            shown = type_text(kind)
            found.append(f"`{field.name}` must be a text, a number, a bool or an enum, not {shown}")
    alone = sorted(names & _TRACE) if TRACE_ID not in names else []
    return [*found, *(f"`{name}` says nothing without `{TRACE_ID}`" for name in alone)]


def invocation_context(value: Value, type_: Type | None) -> InvocationContext:
    """Return what a program of such a type says; options that are none say nothing.

    Raises:
        RequestError: 500, no trace has such an id, or an attribute is too long.
    """
    assert isinstance(type_, RecordType), "it was checked when it was deployed"
    told: dict[str, str] = {}
    for field in type_.fields:
        each, kind = value[field.name], field.type
        if isinstance(kind, OptionType):
            if each is None:
                continue
            each, kind = each[0], kind.some
        text = each if kind is Primitive.STRING else format_value(each, kind)
        if isinstance(kind, EnumType):
            text = str(each)
        if len(text) > ATTRIBUTE_CHARACTERS_MAX:
            detail = f"{len(text)} characters, at most {ATTRIBUTE_CHARACTERS_MAX}"
            raise _unfit(field.name, detail)
        told[field.name] = text
    for name, pattern in _IDS.items():
        text = told.get(name)
        if text is not None and (pattern.fullmatch(text) is None or not text.strip("0")):
            raise _unfit(name, f"expected {pattern.pattern}, not only zeros, got {text[:40]!r}")
    attributes = {name: text for name, text in told.items() if name not in _TRACE}
    return InvocationContext(
        told.get(TRACE_ID), told.get(SPAN_ID), told.get(TRACE_STATE), attributes
    )


def _unfit(name: str, reason: str) -> RequestError:
    return RequestError(500, "program-failed", f"invocation-context: {name}: {reason}")
