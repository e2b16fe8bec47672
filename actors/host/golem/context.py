"""`golem:api/context`: the trace of the running invocation, and spans that the guest adds."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from actors.engine.errors import GuestTrap
from actors.host.context import HostContext
from actors.host.control import SpanTold
from actors.host.golem import ids
from actors.host.interface import HostInterface, Kind
from actors.host.saving import StateKey, saveable
from wit.values import Value, some

__all__ = ["CONTEXT"]

CONTEXT = HostInterface("golem:api/context", version="1.1.6", other_versions=("0.2.0",))

_OPEN: Final = StateKey("golem/open-spans")
_SPANS_MAX: Final = 1_000


@saveable("golem/span", "span_id", "parent", "started_at_ms", "attributes", "is_open", "name")
class Span:
    """A span of the guest. The outermost ones have the invocation's as their parent."""

    # Those that were saved before names were kept have none.
    name = "span"

    def __init__(self, name: str, span_id: str, parent: "Span | None", started_at_ms: int) -> None:
        self.name = name
        self.span_id = span_id
        self.parent = parent
        self.started_at_ms = started_at_ms
        self.attributes: dict[str, str] = {}
        self.is_open = True


@saveable("golem/open-spans", "spans", "forwards")
class OpenSpans:
    """The spans that the guest has begun and not finished, the newest last."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.forwards = True


def _spans(context: HostContext) -> OpenSpans:
    found: OpenSpans | None = context.state.get(_OPEN)
    if found is None:
        found = context.state[_OPEN] = OpenSpans()
    return found


@CONTEXT.function("start-span", Kind.PURE)
def start_span(context: HostContext, name: str) -> Span:
    """Begin a span below the newest one that is open."""
    spans = _spans(context).spans
    if len(spans) >= _SPANS_MAX:
        raise GuestTrap(f"start-span: {_SPANS_MAX} spans are open already", kind="limit")
    parent = spans[-1] if spans else None
    started = context.control.start_span(
        name, context.control.trace[1] if parent is None else parent.span_id
    )
    span = Span(name, started.span_id, parent, started.started_at_ms)
    spans.append(span)
    return span


@CONTEXT.function("[method]span.started-at", Kind.PURE)
def started_at(context: HostContext, span: Span) -> Value:
    """Return when it began."""
    del context
    return ids.datetime(span.started_at_ms)


@CONTEXT.function("[method]span.set-attribute", Kind.PURE)
def set_attribute(context: HostContext, span: Span, name: str, value: Value) -> None:
    """Give it an attribute."""
    if not span.is_open:
        raise GuestTrap(f"set-attribute: the span {span.span_id} is finished")
    span.attributes[name] = value[1]
    context.control.set_span_attribute(span.span_id, name, value[1])


@CONTEXT.function("[method]span.set-attributes", Kind.PURE)
def set_attributes(context: HostContext, span: Span, attributes: Value) -> None:
    """Give it several."""
    for attribute in attributes:
        set_attribute(context, span, attribute["key"], attribute["value"])


@CONTEXT.function("[method]span.finish", Kind.PURE)
def finish(context: HostContext, span: Span) -> None:
    """End it."""
    if span.is_open:
        span.is_open = False
        spans = _spans(context).spans
        if span in spans:
            spans.remove(span)
        parent = None if span.parent is None else span.parent.span_id
        told = SpanTold(span.name, parent, span.started_at_ms, dict(span.attributes))
        context.control.finish_span(span.span_id, told)


@CONTEXT.drop("span")
def drop_span(context: HostContext, span: Span) -> None:
    """End it, if it is open."""
    finish(context, span)


@saveable("golem/invocation-context", "span_id", "trace_id", "trace_state", "span", "told")
class InvocationContext:
    """A span of the guest, or the invocation's own: `span` is None then.

    `told` are the attributes of the invocation, as whoever invoked said them.
    """

    # Those that were saved before attributes were told have none.
    told: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        trace_id: str,
        span_id: str,
        trace_state: str | None,
        span: Span | None,
        told: Mapping[str, str],
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.trace_state = trace_state
        self.span = span
        self.told = told

    def chain(self) -> list[Mapping[str, str]]:
        """Return the attributes of the span and of those above it, the invocation's last."""
        found: list[Mapping[str, str]] = []
        span = self.span
        while span is not None:
            found.append(span.attributes)
            span = span.parent
        return [*found, self.told]


@CONTEXT.function("current-context", Kind.PURE)
def current_context(context: HostContext) -> InvocationContext:
    """Return where the guest is in its trace."""
    trace_id, span_id, state = context.control.trace
    spans = _spans(context).spans
    span = spans[-1] if spans else None
    here = span.span_id if span else span_id
    return InvocationContext(trace_id, here, state, span, context.control.attributes)


@CONTEXT.function("allow-forwarding-trace-context-headers", Kind.PURE)
def allow_forwarding(context: HostContext, allow: bool) -> bool:  # noqa: FBT001 - as in WIT
    """Say whether outgoing requests carry the trace; return what was said before."""
    spans = _spans(context)
    before, spans.forwards = spans.forwards, allow
    return before


@CONTEXT.function("[method]invocation-context.trace-id", Kind.PURE)
def trace_id_of(context: HostContext, here: InvocationContext) -> str:
    """Return 32 hexadecimal digits."""
    del context
    return here.trace_id


@CONTEXT.function("[method]invocation-context.span-id", Kind.PURE)
def span_id_of(context: HostContext, here: InvocationContext) -> str:
    """Return 16 hexadecimal digits."""
    del context
    return here.span_id


@CONTEXT.function("[method]invocation-context.parent", Kind.PURE)
def parent_of(context: HostContext, here: InvocationContext) -> Value:
    """Return the context around it, none around that of the invocation."""
    if here.span is None:
        return None
    _, span_id, state = context.control.trace
    above = here.span.parent
    above_id = above.span_id if above else span_id
    return some(InvocationContext(here.trace_id, above_id, state, above, here.told))


@CONTEXT.function("[method]invocation-context.get-attribute", Kind.PURE)
def get_attribute(
    context: HostContext,
    here: InvocationContext,
    name: str,
    inherited: bool,  # noqa: FBT001 - as in WIT
) -> Value:
    """Return an attribute, with `inherited` also of the spans above."""
    del context
    chain = here.chain() if inherited else here.chain()[:1]
    for attributes in chain:
        if name in attributes:
            return some(("string", attributes[name]))
    return None


@CONTEXT.function("[method]invocation-context.get-attributes", Kind.PURE)
def get_attributes(context: HostContext, here: InvocationContext, inherited: bool) -> Value:  # noqa: FBT001 - as in WIT
    """Return all attributes; the nearest of each name."""
    del context
    chain = here.chain() if inherited else here.chain()[:1]
    found: dict[str, str] = {}
    for attributes in reversed(chain):
        found.update(attributes)
    return [{"key": name, "value": ("string", value)} for name, value in sorted(found.items())]


@CONTEXT.function("[method]invocation-context.get-attribute-chain", Kind.PURE)
def get_attribute_chain(context: HostContext, here: InvocationContext, name: str) -> Value:
    """Return the values of a name, the nearest first."""
    del context
    return [("string", attributes[name]) for attributes in here.chain() if name in attributes]


@CONTEXT.function("[method]invocation-context.get-attribute-chains", Kind.PURE)
def get_attribute_chains(context: HostContext, here: InvocationContext) -> Value:
    """Return the values of all names."""
    names = sorted({name for attributes in here.chain() for name in attributes})
    return [{"key": name, "values": get_attribute_chain(context, here, name)} for name in names]


@CONTEXT.function("[method]invocation-context.trace-context-headers", Kind.PURE)
def trace_context_headers(context: HostContext, here: InvocationContext) -> Value:
    """Return the W3C headers that make a request a part of this trace."""
    del context
    headers = [("traceparent", f"00-{here.trace_id}-{here.span_id}-01")]
    if here.trace_state:
        headers.append(("tracestate", here.trace_state))
    return headers
