"""Filters of `get-workers`: any of all of some properties."""

import operator
from collections.abc import Callable
from typing import Final

from actors.host.control import Facts
from wit.values import Value

__all__ = ["STATUSES", "matches"]

STATUSES: Final = (
    "running",
    "idle",
    "suspended",
    "interrupted",
    "retrying",
    "failed",
    "exited",
)
_COMPARE: Final[dict[str, Callable[[int, int], bool]]] = {
    "equal": operator.eq,
    "not-equal": operator.ne,
    "greater-equal": operator.ge,
    "greater": operator.gt,
    "less-equal": operator.le,
    "less": operator.lt,
}


def matches(wanted: Value, facts: Facts) -> bool:
    """Whether a worker passes a `worker-any-filter`; an empty one lets all pass."""
    groups = wanted["filters"]
    return not groups or any(
        all(_property(each, facts) for each in group["filters"]) for group in groups
    )


def _property(wanted: Value, facts: Facts) -> bool:
    name, filter_ = wanted
    compare, value = filter_["comparator"], filter_["value"]
    match name:
        case "name":
            return _text(compare, facts.worker, value)
        case "status":
            # The order is that of their declaration.
            return _COMPARE[compare](STATUSES.index(facts.status), STATUSES.index(value))
        case "version":
            return _COMPARE[compare](facts.component_version, value)
        case "created-at":
            return _COMPARE[compare](facts.created_at_ms, value)
        case _:
            found = dict(facts.env).get(filter_["name"])
            return found is not None and _text(compare, found, value)


def _text(compare: str, text: str, value: str) -> bool:
    match compare:
        case "equal":
            return text == value
        case "not-equal":
            return text != value
        case "like":
            return value in text
        case _:
            return value not in text
