"""Entries of a log as values of `golem:api/oplog`.

A log holds values as JSON, and not their types, so that they become node lists without names:
objects are records, arrays lists, null is an absent option. Entries for which the interface has no
word become log lines of the context `shem`, with their fields as JSON.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec

from actors.host.control import LogEntry
from actors.host.golem import ids
from actors.identity import component_uuid
from wit.values import Value, some

__all__ = ["entry_of", "wit_value_of"]

_decode = msgspec.json.Decoder(LogEntry).decode
_encode = msgspec.json.Encoder().encode
_S64_MIN: Final = -(1 << 63)
_U64_MAX: Final = (1 << 64) - 1
_Fields = Mapping[str, Any]


def wit_value_of(value: object) -> Value:
    """Return JSON as a node list."""
    nodes: list[Value] = []
    _add(nodes, value)
    return {"nodes": nodes}


def _add(nodes: list[Value], value: object) -> int:
    index = len(nodes)
    nodes.append(None)
    match value:
        case None:
            node: Value = ("option-value", None)
        case bool():
            node = ("prim-bool", value)
        case int() if _S64_MIN <= value < -_S64_MIN:
            node = ("prim-s64", value)
        case int() if 0 <= value <= _U64_MAX:
            node = ("prim-u64", value)
        case int() | float():
            node = ("prim-float64", float(value))
        case list():
            node = ("list-value", [_add(nodes, each) for each in cast("list[object]", value)])
        case dict():
            fields = cast("dict[str, object]", value).values()
            node = ("record-value", [_add(nodes, each) for each in fields])
        case _:
            node = ("prim-string", str(value))
    nodes[index] = node
    return index


def entry_of(text: str) -> tuple[int, Value]:
    """Return the index and the `oplog-entry` in the text of a `LogEntry`."""
    entry = _decode(text)
    at_ms = entry.fields.get("at-ms", 0)
    moment = ids.datetime(at_ms if isinstance(at_ms, int) else 0)
    if entry.type in _MOMENTS:
        return entry.index, (entry.type, moment)
    convert = _CONVERSIONS.get(entry.type)
    if convert is None:
        fields = {name: each for name, each in entry.fields.items() if name != "at-ms"}
        said = f"{entry.type} {_encode(fields).decode()}"
        line = {"timestamp": moment, "level": "info", "context": "shem", "message": said}
        return entry.index, ("log", line)
    name, record = convert(entry.fields)
    return entry.index, (name, {"timestamp": moment, **record})


_MOMENTS: Final = {
    "suspend",
    "no-op",
    "interrupted",
    "exited",
    "begin-atomic-region",
    "begin-remote-write",
    "restart",
}


def _worker(path: str) -> Value:
    component, _, worker = path.partition("/")
    return ids.worker_id(component_uuid(component), worker)


def _create(fields: _Fields) -> tuple[str, Value]:
    parent = fields.get("parent")
    return "create", {
        "worker-id": _worker(f"{fields['component']}/{fields['worker']}"),
        "component-version": fields["component-version"],
        "args": fields.get("args", []),
        "env": [tuple(each) for each in fields.get("env", [])],
        "account-id": {"value": ""},
        "parent": None if parent is None else some(_worker(parent)),
        "component-size": 0,
        "initial-total-linear-memory-size": 0,
        "initial-active-plugins": [],
    }


def _imported(fields: _Fields) -> tuple[str, Value]:
    kind = fields["kind"]
    if kind in {"write-remote-batched", "write-remote-transaction"}:
        begin = fields.get("begin-index")
        wrapped: Value = ("write-remote-batched", None if begin is None else some(begin))
    else:
        # Waiting observes what others do.
        wrapped = ("read-remote" if kind == "blocking" else kind, None)
    return "imported-function-invoked", {
        "function-name": fields["function"],
        "request": wit_value_of(fields.get("request")),
        "response": wit_value_of(fields["response"]),
        "wrapped-function-type": wrapped,
    }


def _invoked(fields: _Fields) -> tuple[str, Value]:
    parts = str(fields.get("traceparent", "")).split("-")
    state = fields.get("tracestate")
    # Parameters that lie in the blob store show as a reference, which is no list.
    given: object = fields["params"]
    params = cast("list[object]", given) if isinstance(given, list) else []
    return "exported-function-invoked", {
        "function-name": fields["function"],
        "request": [wit_value_of(each) for each in params],
        "idempotency-key": fields["idempotency-key"],
        "trace-id": parts[1] if len(parts) == 4 else "",
        "trace-states": [state] if state else [],
        "invocation-context": [],
    }


def _completed(fields: _Fields) -> tuple[str, Value]:
    error = fields.get("error")
    told = fields.get("result") if error is None else error
    record = {"response": wit_value_of(told), "consumed-fuel": 0}
    return "exported-function-completed", record


def _error(fields: _Fields) -> tuple[str, Value]:
    error = fields["error"]
    return "error", {"error": f"{error['kind']}: {error['message']}"}


def _begun(name: str) -> Callable[[_Fields], tuple[str, Value]]:
    return lambda fields: (name, {"begin-index": fields["begin-index"]})


def _region(name: str) -> Callable[[_Fields], tuple[str, Value]]:
    return lambda fields: (name, {"start": fields["start"], "end": fields["end"]})


def _policy(fields: _Fields) -> tuple[str, Value]:
    policy = fields["policy"]
    jitter = policy.get("max-jitter-factor")
    return "change-retry-policy", {
        "retry-policy": {
            "max-attempts": policy["max-attempts"],
            "min-delay": policy["min-delay-ns"],
            "max-delay": policy["max-delay-ns"],
            "multiplier": float(policy["multiplier"]),
            "max-jitter-factor": None if jitter is None else some(float(jitter)),
        }
    }


def _pending(fields: _Fields) -> tuple[str, Value]:
    snapshot = fields.get("snapshot")
    is_text = isinstance(snapshot, str)
    state = msgspec.json.decode(_encode(snapshot), type=bytes) if is_text else b""
    by_snapshot = fields.get("mode") == "snapshot-based"
    return "pending-update", {
        "target-version": fields["target-version"],
        "update-description": ("snapshot-based", state) if by_snapshot else ("auto-update", None),
    }


def _updated(fields: _Fields) -> tuple[str, Value]:
    return "successful-update", {
        "target-version": fields["target-version"],
        "new-component-size": fields.get("component-size", 0),
        "new-active-plugins": [],
    }


def _not_updated(fields: _Fields) -> tuple[str, Value]:
    details = fields.get("details")
    return "failed-update", {
        "target-version": fields["target-version"],
        "details": None if details is None else some(details),
    }


def _log(fields: _Fields) -> tuple[str, Value]:
    return "log", {
        "level": fields["level"],
        "context": fields.get("context", ""),
        "message": fields["message"],
    }


def _started(fields: _Fields) -> tuple[str, Value]:
    parent = fields.get("parent")
    return "start-span", {
        "span-id": fields["span-id"],
        "parent": None if parent is None else some(parent),
        "linked-context": None,
        "attributes": [{"key": "name", "value": ("string", fields["name"])}],
    }


def _attribute(fields: _Fields) -> tuple[str, Value]:
    return "set-span-attribute", {
        "span-id": fields["span-id"],
        "key": fields["key"],
        "value": ("string", fields["value"]),
    }


_CONVERSIONS: Final[Mapping[str, Callable[[_Fields], tuple[str, Value]]]] = {
    "create": _create,
    "imported-function-invoked": _imported,
    "exported-function-invoked": _invoked,
    "exported-function-completed": _completed,
    "invocation-rejected": _error,
    "error": _error,
    "jump": _region("jump"),
    "revert": _region("revert"),
    "change-retry-policy": _policy,
    "end-atomic-region": _begun("end-atomic-region"),
    "end-remote-write": _begun("end-remote-write"),
    "pending-update": _pending,
    "successful-update": _updated,
    "failed-update": _not_updated,
    "log": _log,
    "cancel-pending-invocation": lambda fields: (
        "cancel-invocation",
        {"idempotency-key": fields["idempotency-key"]},
    ),
    "start-span": _started,
    "finish-span": lambda fields: ("finish-span", {"span-id": fields["span-id"]}),
    "set-span-attribute": _attribute,
    "change-persistence-level": lambda fields: (
        "change-persistence-level",
        {"persistence-level": (fields["level"], None)},
    ),
}
