"""Who a worker is, and where its messages live."""

import uuid
from functools import lru_cache
from hashlib import sha1
from typing import Final

from msgspec import Struct

from actors.errors import TerminalError
from actors.limits import NAME_CHARACTERS_MAX
from broker import subjects

__all__ = [
    "COMPONENT_NAMESPACE",
    "Address",
    "WorkerId",
    "check_worker_name",
    "component_uuid",
    "name_problem",
    "named_uuid",
    "own_trace",
    "worker_id_of",
    "worker_id_of_log",
]

COMPONENT_NAMESPACE: Final = uuid.UUID("5f3c7a52-6f0e-5a3b-9d6b-3b1f0c6d4e21")

# The two highest bits of this digit say what kind of UUID it is.
_VARIANT: Final = {f"{digit:x}": f"{digit & 3 | 8:x}" for digit in range(16)}
_NAMESPACES_MAX: Final = 1_024
_REMEMBERED_MAX: Final = 2_048


# Every guest is named by it.
@lru_cache(maxsize=_NAMESPACES_MAX)
def component_uuid(name: str) -> uuid.UUID:
    """Return the UUID under which guests know the component of a name."""
    return uuid.uuid5(COMPONENT_NAMESPACE, name)


class WorkerId(Struct, frozen=True):
    """A component's name and a worker's name; printed `component/worker`."""

    component: str
    worker: str

    def __str__(self) -> str:
        return f"{self.component}/{self.worker}"


def own_trace(worker: WorkerId, key: str) -> str:
    """Return the id of the trace of an invocation that came without one: the same at replay."""
    return named_uuid(_namespace(worker.component), f"{worker.component}/{worker.worker}{key}")


def named_uuid(namespace: bytes, name: str) -> str:
    """Return the 32 digits of `uuid.uuid5`, in half the time: invocations and calls ask for it."""
    text = sha1(namespace + name.encode(), usedforsecurity=False).hexdigest()
    return f"{text[:12]}5{text[13:16]}{_VARIANT[text[16]]}{text[17:32]}"


@lru_cache(maxsize=_NAMESPACES_MAX)
def _namespace(component: str) -> bytes:
    return component_uuid(component).bytes


class Address(Struct, frozen=True):
    """The stored subjects of one worker."""

    log: str
    mailbox: str
    mailbox_invoke: str
    mailbox_control: str
    mailbox_reply: str
    schedules: str
    snap: str
    everything: str
    partition: int

    @staticmethod
    def of(worker: WorkerId, partitions: int) -> "Address":
        """Return the subjects of `worker` in a stream of `partitions`."""
        names = worker.component, worker.worker
        return Address(
            log=subjects.log(*names, partitions),
            mailbox=subjects.mailbox(*names, partitions),
            mailbox_invoke=subjects.mailbox(*names, partitions, "invoke"),
            mailbox_control=subjects.mailbox(*names, partitions, "control"),
            mailbox_reply=subjects.mailbox(*names, partitions, "reply"),
            schedules=subjects.schedule(*names, "*"),
            snap=subjects.snapshot(*names, partitions),
            everything=subjects.everything_of(*names, partitions),
            partition=subjects.partition_of(*names, partitions),
        )


# Every delivery asks for one of those that are spoken to at the time; a megabyte.
@lru_cache(maxsize=_REMEMBERED_MAX)
def worker_id_of(subject: str) -> tuple[WorkerId, str]:
    """Return the worker and the message kind of a stored mailbox subject.

    Raises:
        ValueError: names that are no percent-encoded UTF-8.
    """
    _, _, _, component, worker, _, kind = subject.split(".")
    return WorkerId(subjects.decode_token(component), subjects.decode_token(worker)), kind


def worker_id_of_log(subject: str) -> WorkerId:
    """Return the worker whose log the subject is.

    Raises:
        ValueError: names that are no percent-encoded UTF-8.
    """
    _, _, _, component, worker, _ = subject.split(".")
    return WorkerId(subjects.decode_token(component), subjects.decode_token(worker))


def check_worker_name(name: str) -> None:
    """Refuse what cannot be a worker's name, whoever wants to name one by it.

    Raises:
        TerminalError: says what is wrong with it.
    """
    problem = name_problem(name, "worker")
    if problem is not None:
        raise TerminalError(problem)


def name_problem(name: str, what: str) -> str | None:
    """Return why nothing can have that name, None if something can. `what` has it.

    Any text may be one that fits into a subject: with more, a broker closes the connection at last.
    """
    try:
        size = len(subjects.encode_token(name))
    except UnicodeEncodeError:
        return f"the {what} {name!r} has half a character in its name"
    if not 1 <= size <= NAME_CHARACTERS_MAX:
        limit = f"1 to {NAME_CHARACTERS_MAX} bytes in a subject"
        return f"the name of a {what} has {limit}, got {name[:80]!r}"
    return None
