"""Which stream holds what: the partitions are dealt out over one stream or several.

A worker's mailbox, log and schedules lie in the stream of its partition, so that one stream's order
is the order of all that concerns the worker. Nothing compares the sequences of two streams.

One stream sorts what comes in by a subject transform of its own, so that any server will do. With
several, the server's account maps incoming subjects before any stream sees them, and schedules lie
below the partition, since no wildcard tells which worker a partition holds.
See docs/adr/0036-several-streams.md.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from broker.errors import InternalError
from broker.layout import MAILBOX_KINDS, STREAM_SUBJECTS, partition_of_tokens, stored_subject
from broker.subjects import STREAM, client_messages

__all__ = [
    "PARTITIONS_MAX",
    "STREAMS_MAX",
    "Sharding",
    "is_oplog_stream",
    "mappings",
    "mappings_text",
    "published_as",
    "stream_name",
]

PARTITIONS_MAX: Final = 1024
STREAMS_MAX: Final = 64


class Sharding(Struct, frozen=True):
    """How many partitions there are, and over how many streams they are dealt."""

    partitions: int
    streams: int = 1

    @property
    def is_single(self) -> bool:
        """Whether one stream holds everything."""
        return self.streams == 1

    @property
    def names(self) -> tuple[str, ...]:
        """The streams' names, in order."""
        return tuple(stream_name(number) for number in range(self.streams))

    def stream_of(self, partition: int) -> int:
        """Return the number of the stream that holds a partition."""
        return partition % self.streams

    def stream_of_worker(self, component: str, worker: str) -> int:
        """Return the number of the stream of a worker, both names as subject tokens."""
        if self.streams == 1:
            return 0
        return self.stream_of(partition_of_tokens(component, worker, self.partitions))

    def streams_of(self, subject: str) -> tuple[int, ...]:
        """Return the streams that may hold messages of a subject or pattern.

        Raises:
            InternalError: no stream holds such a subject.
        """
        if self.streams == 1:
            return (0,)
        match subject.split("."):
            case [_, "oplog", place, *_] if place.isdecimal():
                return (self.stream_of(int(place)),)
            case [_, "oplog", "clients", *_]:
                return (0,)
            case [_, "sched" | "invoke" | "reply" | "control", component, worker, *_] if (
                "*" not in {component, worker}
            ):
                return (self.stream_of_worker(component, worker),)
            case [_, "oplog" | "sched" | "invoke" | "reply" | "control", *_]:
                return tuple(range(self.streams))
            case _:
                raise InternalError(
                    f"no stream takes in {subject!r}: use the names of broker.subjects"
                )

    def stream_of_subject(self, subject: str) -> int:
        """Return the one stream that holds a subject or pattern.

        Raises:
            InternalError: several may hold it.
        """
        streams = self.streams_of(subject)
        if len(streams) != 1:
            raise InternalError(f"{subject!r} may lie in several streams: name a partition")
        return streams[0]

    def may_move(self, subject: str) -> bool:
        """Say whether a subject or pattern is of partitions, which a split deals out anew."""
        return not subject.startswith("shem.oplog.clients.")

    def is_spread(self, subject: str) -> bool:
        """Say whether a pattern is of several partitions, whether in several streams or not."""
        if not self.may_move(subject):
            return False
        return len(Sharding(self.partitions, self.partitions).streams_of(subject)) > 1

    def starts(self, subject: str, from_sequence: int | Sequence[int]) -> tuple[int, ...]:
        """Return from where to read each stream.

        Raises:
            InternalError: one number for a pattern that may lie in several streams.
        """
        if not isinstance(from_sequence, int):
            return tuple(from_sequence)
        if from_sequence > 1:
            self.stream_of_subject(subject)
        return (from_sequence,) * self.streams

    def stored(self, subject: str) -> str:
        """Return under which subject or pattern the server keeps what is published to `subject`."""
        if self.streams == 1:
            return subject
        match subject.split("."):
            case [_, "sched", component, worker, name]:
                place = "*"
                if "*" not in {component, worker}:
                    place = str(partition_of_tokens(component, worker, self.partitions))
                return f"shem.oplog.{place}.{component}.{worker}.sched.{name}"
            case [_, kind, _, _] if kind in MAILBOX_KINDS:
                return stored_subject(subject, self.partitions)
            case _:
                return subject

    def shown(self, stored: str) -> str:
        """Return the subject that `stored` was made of."""
        if self.streams == 1:
            return stored
        match stored.split("."):
            case [_, "oplog", _, component, worker, "sched", name]:
                return f"shem.sched.{component}.{worker}.{name}"
            case _:
                return stored

    def subjects(self, number: int) -> tuple[str, ...]:
        """Return what stream `number` takes in."""
        if self.streams == 1:
            return STREAM_SUBJECTS
        own = range(number, self.partitions, self.streams)
        taken = tuple(f"shem.oplog.{partition}.>" for partition in own)
        return taken if number else (*taken, client_messages("*"))


def is_oplog_stream(name: str) -> bool:
    """Say whether a stream holds mailboxes and logs."""
    return name == STREAM or name.removeprefix(f"{STREAM}_").isdecimal()


def published_as(stored: str) -> str:
    """Return the subject that an account maps to the mailbox `stored`; of others the same."""
    match stored.split("."):
        case ["shem", "oplog", _, component, worker, "in", kind]:
            return f"shem.{kind}.{component}.{worker}"
        case _:
            return stored


def stream_name(number: int) -> str:
    """Return the name of a stream."""
    return STREAM if number == 0 else f"{STREAM}_{number}"


def mappings(partitions: int) -> dict[str, str]:
    """Return what an account has to map for several streams: incoming subjects to mailboxes."""
    return {
        f"shem.{kind}.*.*": (
            f"shem.oplog.{{{{partition({partitions},1,2)}}}}"
            f".{{{{wildcard(1)}}}}.{{{{wildcard(2)}}}}.in.{kind}"
        )
        for kind in MAILBOX_KINDS
    }


def mappings_text(partitions: int) -> str:
    """Return the mappings as the server's configuration has them, for an account or the default."""
    lines = (
        f"  {msgspec.json.encode(source).decode()}: {msgspec.json.encode(target).decode()}"
        for source, target in mappings(partitions).items()
    )
    return "mappings = {\n" + "\n".join(lines) + "\n}"
