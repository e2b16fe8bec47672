"""Whether what happened is what must have: the logs of Shem against the notes of clients.

Pure: it takes what was read and returns everything that is wrong.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import Any

from msgspec import Struct, field

from tests.chaos.logs import Entry, Log
from tests.chaos.model import Model
from tests.chaos.operations import CALLER, COMPONENT, Operation, component_of, parse_key
from tests.chaos.record import Notes

__all__ = ["Fault", "check", "summary"]

_RANDOM = "get-random-u64"


class Fault(Struct, frozen=True):
    """Something that must not be: its kind, where, and what exactly."""

    kind: str
    worker: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.worker}: {self.detail}"


class _Story(Struct):
    """What the log of one worker tells of its invocations."""

    worker: str
    begun: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    drawn: dict[str, list[object]] = field(default_factory=dict)
    called: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """What each invocation has asked of other workers."""


class _Span(Struct, frozen=True):
    """When clients asked for something and heard its outcome, in Unix time."""

    begun_s: float
    answered_s: float


def check(logs: Mapping[str, Log], notes: Notes) -> list[Fault]:
    """Return every fault, those of the logs themselves first."""
    faults: list[Fault] = []
    stories: dict[str, _Story] = {}
    for worker, log in logs.items():
        faults += [Fault("chain", worker, text) for text in log.faults]
        story = _Story(worker=worker)
        faults += _read(log, story)
        faults += _replayed(story)
        faults += _publishers(story, notes)
        stories[worker] = story
    spans = _spans(stories, notes)
    for story in stories.values():
        faults += _real_time(story, spans)
    faults += _promised(stories, notes)
    faults += _calls(stories)
    return faults


def summary(logs: Mapping[str, Log], notes: Notes) -> dict[str, int]:
    """Return how much of what was seen."""
    types = Counter(entry.type for entry in _all(logs))
    return {
        "workers": sum(component_of(worker) == COMPONENT for worker in logs),
        "calls": sum(entry.body.get("asks") is not None for entry in _all(logs)),
        "commits": sum(log.commits for log in logs.values()),
        "attempted": len(notes.attempted),
        "stored": len(notes.stored),
        "heard": len(notes.heard),
        **dict(sorted(types.items())),
    }


def _all(logs: Mapping[str, Log]) -> Iterator[Entry]:
    return (entry for log in logs.values() for entry in log.entries)


def _read(log: Log, story: _Story) -> Iterator[Fault]:
    """Follow the entries: one creation, invocations one after the other in stream order."""
    running: str | None = None
    newest = 0
    for entry in log.entries:
        body = entry.body
        match entry.type:
            case "create":
                if entry.index != 1:
                    yield Fault("created twice", log.worker, f"again at index {entry.index}")
            case "exported-function-invoked":
                key = str(body["idempotency-key"])
                if running is not None:
                    yield Fault("overlap", log.worker, f"{key} begins while {running} runs")
                if key in story.begun:
                    yield Fault("invoked twice", log.worker, f"{key} at index {entry.index}")
                if int(body["sequence"]) <= newest:
                    yield Fault("stream order", log.worker, f"{key} after sequence {newest}")
                newest = int(body["sequence"])
                running = key
                story.begun[key], story.drawn[key], story.called[key] = body, [], []
            case "imported-function-invoked":
                if running is not None and _RANDOM in str(body["function"]):
                    story.drawn[running].append(body["response"])
                if running is not None and "asks" in body:
                    story.called[running].append(body["asks"])
            case "exported-function-completed":
                yield from _complete(log.worker, entry, running, story)
                running = None
            case "error":
                # The load guest never traps and nothing that it calls can fail.
                yield Fault("failed", log.worker, f"at index {entry.index}: {body['error']}")
            case "invocation-rejected":
                yield Fault("rejected", log.worker, f"{body.get('idempotency-key')}: {body}")
            case _:
                pass
    if not log.entries or log.entries[0].type != "create":
        yield Fault("not created", log.worker, "the log does not begin with `create`")
    if running is not None:
        yield Fault("no outcome", log.worker, f"{running} began and never ended")


def _complete(worker: str, entry: Entry, running: str | None, story: _Story) -> Iterator[Fault]:
    key = str(entry.body["idempotency-key"])
    if key != running:
        yield Fault("wrong outcome", worker, f"{key} ends at {entry.index}, {running} runs")
    if key in story.outcomes:
        yield Fault("two outcomes", worker, f"{key}, again at index {entry.index}")
    story.outcomes[key] = entry.body


def _replayed(story: _Story) -> Iterator[Fault]:
    """Carry the invocations out on the model, in the order of the log."""
    if component_of(story.worker) == CALLER:
        # What it answers is what it was told, see `_calls`.
        return
    model = Model()
    for key, body in story.begun.items():
        name = str(body["function"]).rpartition("{")[2].rstrip("}")
        expected = model.expect(name, list(body["params"]))
        outcome = story.outcomes.get(key)
        if expected is None:
            yield Fault("unknown function", story.worker, f"{key}: {body['function']}")
        elif outcome is not None:
            answer = outcome.get("result", outcome.get("error"))
            if not model.fits(expected, answer, story.drawn[key]):
                detail = f"{key}: {name} gave {answer!r}, expected {expected}"
                yield Fault("wrong value", story.worker, f"{detail}, drawn {story.drawn[key]}")


def _publishers(story: _Story, notes: Notes) -> Iterator[Fault]:
    """Each publisher's invocations stand in the log in the order of publishing, without a gap."""
    newest: Counter[str] = Counter()
    for key, body in story.begun.items():
        if "caller" in body:
            continue
        operation = notes.attempted.get(key)
        if operation is None:
            yield Fault("from nowhere", story.worker, f"{key} was published by nobody")
            continue
        if not _same(operation, body):
            yield Fault("garbled", story.worker, f"{key} is {body}, published was {operation}")
        client, worker, number = parse_key(key)
        if worker != story.worker:
            yield Fault("misrouted", story.worker, f"{key} belongs to {worker}")
        if number != newest[client] + 1:
            yield Fault("publish order", story.worker, f"{key} after number {newest[client]}")
        newest[client] = number


def _spans(stories: Mapping[str, _Story], notes: Notes) -> dict[str, _Span]:
    """Return when clients began each invocation and were answered; a call lasts as its caller."""
    spans = {
        key: _Span(begun, min((each.at_s for each in notes.heard.get(key, [])), default=inf))
        for key, begun in notes.attempted_s.items()
    }
    for story in stories.values():
        for key, calls in story.called.items():
            spans |= {str(call["key"]): spans[key] for call in calls if key in spans}
    return spans


def _real_time(story: _Story, spans: Mapping[str, _Span]) -> Iterator[Fault]:
    """What was answered before another began stands before it: the history is linearizable.

    The log is the order in which everything happened, which the model has checked; it remains that
    this order does not contradict what clients saw.
    """
    latest, of = 0.0, ""
    for key in story.begun:
        span = spans.get(key)
        if span is None:
            continue
        if span.answered_s < latest:
            detail = f"{key} was answered before {of} was asked for, and stands behind it"
            yield Fault("not linearizable", story.worker, detail)
        if span.begun_s > latest:
            latest, of = span.begun_s, key


def _calls(stories: Mapping[str, _Story]) -> Iterator[Fault]:
    """What a worker asked of another one happened there, once, and was answered as it says."""
    asked: set[str] = set()
    for story in stories.values():
        for key, calls in story.called.items():
            for call in calls:
                asked.add(str(call["key"]))
                yield from _executed(story, key, call, stories.get(str(call["worker"])))
            if component_of(story.worker) == CALLER and len(calls) != 1:
                yield Fault("calls", story.worker, f"{key} made {len(calls)} calls instead of one")
    for story in stories.values():
        for key, body in story.begun.items():
            if "caller" in body and key not in asked:
                yield Fault("from nowhere", story.worker, f"{key} was called by nobody")


def _executed(
    story: _Story, key: str, call: Mapping[str, Any], callee: _Story | None
) -> Iterator[Fault]:
    place = f"{key} called {call['function']} of {call['worker']} as {call['key']}"
    outcome = callee.outcomes.get(str(call["key"])) if callee else None
    if outcome is None:
        yield Fault("lost call", story.worker, f"{place}, which never ran")
        return
    params = list(story.begun[key]["params"])
    if component_of(story.worker) == CALLER and callee is not None:
        ran = [callee.worker, *callee.begun[str(call["key"])]["params"]]
        if ran != params:
            yield Fault("garbled", story.worker, f"{place}, which ran as {ran}, asked was {params}")
    own = story.outcomes.get(key, {})
    if own.get("result") != outcome.get("result"):
        yield Fault("told otherwise", story.worker, f"{place}: {own} is not {outcome}")


def _same(operation: Operation, body: dict[str, Any]) -> bool:
    called = (str(body["function"]), tuple(body["params"]))
    return called == (operation.full_name, operation.params)


def _promised(stories: Mapping[str, _Story], notes: Notes) -> Iterable[Fault]:
    """What the broker acknowledged happened, and what clients heard is what the log says."""
    for key in notes.stored:
        worker = notes.attempted[key].worker
        story = stories.get(worker)
        outcome = story.outcomes.get(key) if story else None
        if story is None or key not in story.begun:
            yield Fault("lost", worker, f"{key} was acknowledged and never invoked")
        if key not in notes.heard:
            yield Fault("unanswered", worker, f"{key}: nobody ever heard its outcome")
        for heard in notes.heard.get(key, []):
            if _told(heard.outcome) != _told(outcome or {}):
                detail = f"{key}: heard {heard.outcome}, the log has {outcome}"
                yield Fault("told otherwise", worker, detail)


def _told(outcome: Mapping[str, Any]) -> tuple[object, object]:
    error = outcome.get("error")
    return outcome.get("result"), error["kind"] if error else None
