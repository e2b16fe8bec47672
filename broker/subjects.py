"""Every subject, stream and bucket name, in one table.

Names of components and workers travel as one token each; what a token cannot hold is
percent-encoded. The partition of a worker is computed by the stream's subject transform and, with
the same function, here.
"""

import re
from functools import lru_cache
from typing import Final

from broker.layout import partition_of_tokens

__all__ = [
    "API",
    "APIS_BUCKET",
    "BLOBS_BUCKET",
    "CLIENTS_BUCKET",
    "CODE_BUCKET",
    "COMPONENTS_BUCKET",
    "CONTAINER_PREFIX",
    "KEYVALUE_BUCKET",
    "LOGS",
    "MEMBERS_BUCKET",
    "PARTITIONS_DEFAULT",
    "RESTORING",
    "SECRETS_BUCKET",
    "SESSIONS_BUCKET",
    "STREAM",
    "WORKERS_BUCKET",
    "call",
    "client_messages",
    "container_bucket",
    "control",
    "decode_token",
    "encode_token",
    "event",
    "everything_of",
    "invoke",
    "log",
    "logs_of",
    "logs_of_component",
    "mailbox",
    "partition_of",
    "reply",
    "result",
    "schedule",
    "snapshot",
    "wake_up",
    "worker_of",
]

STREAM: Final = "SHEM_OPLOG"
# None of the streams that are Shem's: it is there as long as a backup of them is being restored.
RESTORING: Final = "SHEM_RESTORING"
# Each costs the broker up to ten writes of consumer state per second, synced ones where every
# message is: see docs/adr/0007-sixteen-partitions.md.
PARTITIONS_DEFAULT: Final = 16
MEMBERS_BUCKET: Final = "SHEM_MEMBERS"
APIS_BUCKET: Final = "SHEM_APIS"
CLIENTS_BUCKET: Final = "SHEM_CLIENTS"
SECRETS_BUCKET: Final = "SHEM_SECRETS"
SESSIONS_BUCKET: Final = "SHEM_SESSIONS"
COMPONENTS_BUCKET: Final = "SHEM_COMPONENTS"
WORKERS_BUCKET: Final = "SHEM_WORKERS"
BLOBS_BUCKET: Final = "SHEM_BLOBS"
# What guests store: one bucket whose keys begin with the name of the guests' own bucket, and one
# object store for each of their containers.
KEYVALUE_BUCKET: Final = "SHEM_KEYVALUE"
CONTAINER_PREFIX: Final = "SHEM_BLOBSTORE_"
CODE_BUCKET: Final = "SHEM_CODE"
API: Final = "shem.api"
# The logs of all workers.
LOGS: Final = "shem.oplog.*.*.*.log"

_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_:@-")
# Of the workers that are spoken to at a time; less than a megabyte for each kind of name.
_REMEMBERED_MAX: Final = 2_048
_is_plain: Final = re.compile(r"[A-Za-z0-9_:@-]+").fullmatch


def encode_token(name: str) -> str:
    """Return `name` as one subject token: bytes outside `[A-Za-z0-9_:@-]` become `%XX`."""
    if _is_plain(name):
        return name
    return "".join(chr(byte) if chr(byte) in _PLAIN else f"%{byte:02X}" for byte in name.encode())


def container_bucket(name: str) -> str:
    """Return the object store of a container: bytes that no store's name may have become `_XX`."""
    plain = (
        chr(byte)
        if chr(byte).isascii() and (chr(byte).isalnum() or byte == 0x2D)
        else f"_{byte:02X}"
        for byte in name.encode()
    )
    return CONTAINER_PREFIX + "".join(plain)


def decode_token(token: str) -> str:
    """Return the name that `encode_token` made `token` of.

    Raises:
        ValueError: a malformed escape, or bytes that are no UTF-8.
    """
    if "%" not in token:
        return token
    head, *rest = token.split("%")
    out = bytearray(head.encode())
    for part in rest:
        if len(part) < 2:
            message = f"truncated escape in subject token {token!r}"
            raise ValueError(message)
        out.append(int(part[:2], 16))
        out += part[2:].encode()
    return out.decode()


def partition_of(component: str, worker: str, partitions: int) -> int:
    """Return the partition: FNV-1a-32 over both tokens without separator, as nats-server does."""
    return _partition(component, worker, partitions)


# Every message asks for the same few names and their sum.
@lru_cache(maxsize=_REMEMBERED_MAX)
def _partition(component: str, worker: str, partitions: int) -> int:
    return partition_of_tokens(encode_token(component), encode_token(worker), partitions)


@lru_cache(maxsize=_REMEMBERED_MAX)
def _tokens(component: str, worker: str) -> str:
    return f"{encode_token(component)}.{encode_token(worker)}"


def invoke(component: str, worker: str) -> str:
    """Where anyone publishes invocations."""
    return f"shem.invoke.{_tokens(component, worker)}"


def reply(component: str, worker: str) -> str:
    """Where executors publish RPC replies, promise completions and wake-ups."""
    return f"shem.reply.{_tokens(component, worker)}"


def control(component: str, worker: str) -> str:
    """Where operators publish commands."""
    return f"shem.control.{_tokens(component, worker)}"


def call(component: str, worker: str) -> str:
    """Where a durable invocation is requested and answered with its result."""
    return f"shem.call.{_tokens(component, worker)}"


def result(component: str, worker: str) -> str:
    """Where results are announced after their commit."""
    return f"shem.result.{_tokens(component, worker)}"


def event(component: str, worker: str) -> str:
    """Where stdout, stderr, log lines and status changes are announced."""
    return f"shem.event.{_tokens(component, worker)}"


def schedule(component: str, worker: str | None, name: str) -> str:
    """Where a message schedule of the worker (None: of any) is stored; `name` is one token."""
    if worker is None:
        return f"shem.sched.{encode_token(component)}.*.{name}"
    return f"shem.sched.{_tokens(component, worker)}.{name}"


def wake_up(component: str, worker: str, index: int) -> str:
    """Where the schedule is stored that ends the wait which entry `index` of the worker tells of.

    The id of a schedule is encoded, so that none that anybody chooses begins with a plus sign: one
    in the place of a wake-up would end it, and the worker sleep for ever.
    """
    return schedule(component, worker, f"+{index}")


def client_messages(client: str) -> str:
    """Return where the messages to a connected client are kept; `*`: to all clients.

    The stream takes it in, and its five tokens are neither a mailbox nor a log.
    """
    return f"shem.oplog.clients.{'*' if client == '*' else encode_token(client)}.out"


def _stored(component: str, worker: str, partitions: int, leaf: str) -> str:
    partition = _partition(component, worker, partitions)
    return f"shem.oplog.{partition}.{_tokens(component, worker)}.{leaf}"


def log(component: str, worker: str, partitions: int) -> str:
    """The worker's oplog."""
    return _stored(component, worker, partitions, "log")


def snapshot(component: str, worker: str, partitions: int) -> str:
    """The pointer to the worker's newest snapshot."""
    return _stored(component, worker, partitions, "snap")


def mailbox(component: str, worker: str, partitions: int, kind: str = "*") -> str:
    """The worker's mailbox: `kind` is invoke, reply, control, or `*` for all in stream order."""
    return _stored(component, worker, partitions, f"in.{kind}")


def everything_of(component: str, worker: str, partitions: int) -> str:
    """Return the pattern of all that is stored of a worker, but for its schedules."""
    return _stored(component, worker, partitions, ">")


def logs_of(partition: int) -> str:
    """Return the pattern of the logs of all workers in a partition."""
    return f"shem.oplog.{partition}.*.*.log"


def logs_of_component(component: str, partition: int | None = None) -> str:
    """Return the pattern of the logs of a component's workers, of one partition or all."""
    place = "*" if partition is None else partition
    return f"shem.oplog.{place}.{encode_token(component)}.*.log"


def worker_of(stored: str) -> tuple[str, str]:
    """Return component and worker of a stored subject.

    Raises:
        ValueError: names that are no percent-encoded UTF-8.
    """
    _, _, _, component, worker, *_ = stored.split(".")
    return decode_token(component), decode_token(worker)
