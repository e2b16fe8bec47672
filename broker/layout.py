"""The shape of the oplog stream: what it takes in and where the broker stores it.

The same facts configure the real stream and drive the in-memory one.
"""

from typing import Final

__all__ = [
    "DUPLICATE_WINDOW_S",
    "MAILBOX_KINDS",
    "MESSAGE_ID",
    "STREAM_SUBJECTS",
    "TRANSFORM_SOURCE",
    "is_captured",
    "matches",
    "partition_filter",
    "partition_of_tokens",
    "stored_subject",
    "transform_destination",
]

MAILBOX_KINDS: Final = ("invoke", "reply", "control")
STREAM_SUBJECTS: Final = (
    "shem.invoke.*.*",
    "shem.reply.*.*",
    "shem.control.*.*",
    "shem.oplog.>",
    "shem.sched.*.*.*",
)
TRANSFORM_SOURCE: Final = "shem.*.*.*"
DUPLICATE_WINDOW_S: Final = 120
MESSAGE_ID: Final = "Nats-Msg-Id"

_PREFIX: Final = "shem."
# What STREAM_SUBJECTS says, by first two tokens: how many dots, 0 for any. This is asked for every
# publish.
_DOTS: Final = {
    "shem.invoke": 3,
    "shem.reply": 3,
    "shem.control": 3,
    "shem.oplog": 0,
    "shem.sched": 4,
}


def transform_destination(partitions: int) -> str:
    """Return the subject template that sorts incoming messages into mailboxes."""
    return (
        f"shem.oplog.{{{{partition({partitions},2,3)}}}}"
        ".{{wildcard(2)}}.{{wildcard(3)}}.in.{{wildcard(1)}}"
    )


def partition_filter(partition: int) -> str:
    """Return the pattern of all mailboxes of one partition."""
    return f"shem.oplog.{partition}.*.*.in.*"


def is_captured(subject: str) -> bool:
    """Say whether the stream stores messages published to `subject`."""
    dots = _DOTS.get(subject[: subject.find(".", len(_PREFIX))])
    return dots is not None and dots in {0, subject.count(".")}


def stored_subject(subject: str, partitions: int) -> str:
    """Return where a message published to `subject` is stored."""
    tokens = subject.split(".")
    if len(tokens) != 4:
        return subject
    _, kind, component, worker = tokens
    partition = partition_of_tokens(component, worker, partitions)
    return f"{_PREFIX}oplog.{partition}.{component}.{worker}.in.{kind}"


def matches(pattern: str, subject: str) -> bool:
    """Say whether a subject matches a pattern with `*` (one token) and a final `>` (the rest)."""
    if pattern == subject:
        return True
    wanted = pattern.split(".")
    given = subject.split(".")
    for position, part in enumerate(wanted):
        if part == ">":
            return len(given) > position
        if position >= len(given) or part not in {"*", given[position]}:
            return False
    return len(wanted) == len(given)


def partition_of_tokens(component: str, worker: str, partitions: int) -> int:
    """Return the partition of a worker whose names are subject tokens already."""
    digest = 2166136261
    for byte in (component + worker).encode():
        digest = ((digest ^ byte) * 16777619) & 0xFFFFFFFF
    return digest % partitions
