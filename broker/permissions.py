"""Who may say and hear what: the least that each role needs, in one table.

The same table makes the servers' configurations and is what the tests attack. An identity has an
inbox of its own below `_INBOX`, so that nobody hears the answers of others.
"""

from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from msgspec import Struct

from broker.jetstream.setup import BUCKET_STREAMS
from broker.layout import MAILBOX_KINDS
from broker.sharding import stream_name
from broker.subjects import (
    API,
    APIS_BUCKET,
    BLOBS_BUCKET,
    CLIENTS_BUCKET,
    CODE_BUCKET,
    COMPONENTS_BUCKET,
    KEYVALUE_BUCKET,
    MEMBERS_BUCKET,
    SECRETS_BUCKET,
    WORKERS_BUCKET,
    client_messages,
)

__all__ = ["Permissions", "Role", "permissions_of"]

Names: TypeAlias = tuple[str, ...]

_JS: Final = "$JS.API"
_WHO: Final = "$SYS.REQ.USER.INFO"
# By which services are found, as NATS has it for all of them.
_DISCOVERY: Final = (
    "$SRV.PING",
    "$SRV.PING.>",
    "$SRV.INFO",
    "$SRV.INFO.>",
    "$SRV.STATS",
    "$SRV.STATS.>",
)


class Role(StrEnum):
    """What an identity is for."""

    CLIENT = "client"
    EXECUTOR = "executor"
    GATEWAY = "gateway"
    OPERATOR = "operator"
    OBSERVER = "observer"


class Permissions(Struct, frozen=True, kw_only=True):
    """Subjects that an identity may publish to and subscribe to; what is denied wins."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    publish_denied: tuple[str, ...] = ()


def permissions_of(role: Role, inbox: str, *, streams: int = 1) -> Permissions:
    """Return what an identity of a role may do; `inbox` is the prefix of its inboxes.

    `streams`: how many hold mailboxes and logs.
    """
    own = f"{inbox}.>"
    names = tuple(stream_name(number) for number in range(streams))
    match role:
        case Role.CLIENT:
            publish = (*_invocations(names), *_look(names), _WHO)
            return Permissions(publish=publish, subscribe=(own,))
        case Role.EXECUTOR:
            return _executor(own, names)
        case Role.GATEWAY:
            return _gateway(own, names)
        case Role.OPERATOR:
            return _operator(own, names)
        case Role.OBSERVER:
            return _observer(own, names)
        case _:
            assert_never(role)


def _look(names: Names) -> Names:
    """Return the reading of the streams' settings, which everybody does on connecting."""
    return tuple(f"{_JS}.STREAM.INFO.{name}" for name in (*names, *BUCKET_STREAMS))


def _mail(names: Names, kind: str) -> str:
    """Return where a kind of message is published: of several streams what the account makes of it.

    The server looks at permissions after it has mapped a subject.
    """
    return f"shem.{kind}.*.*" if len(names) == 1 else f"shem.oplog.*.*.*.in.{kind}"


def _invocations(names: Names) -> Names:
    return _mail(names, "invoke"), "shem.call.*.*"


def _schedules(names: Names) -> Names:
    """Return where schedules are kept: with several streams below the partition of the worker."""
    return ("shem.sched.*.*.*",) if len(names) == 1 else ("shem.oplog.*.*.*.sched.*",)


def _executor(own: str, names: Names) -> Permissions:
    buckets = (MEMBERS_BUCKET, COMPONENTS_BUCKET, WORKERS_BUCKET, APIS_BUCKET, KEYVALUE_BUCKET)
    return Permissions(
        publish=(
            *(*(_mail(names, kind) for kind in MAILBOX_KINDS), *_schedules(names)),
            *("shem.oplog.*.*.*.log", "shem.oplog.*.*.*.snap", client_messages("*")),
            *("shem.result.*.*", "shem.event.*.*", "_INBOX.>"),
            *(f"$KV.{bucket}.>" for bucket in (*buckets, SECRETS_BUCKET)),
            # Guests make object stores of their own, whose names nobody knows before.
            *("$O.>", f"{_JS}.STREAM.CREATE.*", f"{_JS}.STREAM.DELETE.*"),
            *(f"{_JS}.INFO", f"{_JS}.STREAM.NAMES", f"{_JS}.STREAM.INFO.*"),
            *(f"{_JS}.STREAM.MSG.GET.*", f"{_JS}.DIRECT.GET.*", f"{_JS}.STREAM.PURGE.*"),
            *(f"{_JS}.STREAM.MSG.DELETE.{name}" for name in names),
            *(f"{_JS}.CONSUMER.{verb}.*.*" for verb in ("CREATE", "INFO")),
            f"{_JS}.CONSUMER.CREATE.*.*.>",
            *(
                f"{_JS}.CONSUMER.{verb}.{name}.*"
                for verb in ("RESET", "UNPIN", "MSG.NEXT")
                for name in names
            ),
            *(*(f"$JS.ACK.{name}.>" for name in names), "$JS.FC.>", _WHO),
        ),
        publish_denied=tuple(f"{_JS}.STREAM.DELETE.{name}" for name in (*names, *BUCKET_STREAMS)),
        subscribe=(own, f"{API}.*.*", "shem.call.*.*", *_DISCOVERY),
    )


def _gateway(own: str, names: Names) -> Permissions:
    return Permissions(
        publish=(
            *(*_invocations(names), f"{API}.*.*", _mail(names, "control"), *_schedules(names)),
            *(f"$KV.{APIS_BUCKET}.>", f"$KV.{CLIENTS_BUCKET}.>", f"$O.{BLOBS_BUCKET}.>"),
            *(*_look(names), f"{_JS}.STREAM.MSG.GET.*", f"{_JS}.DIRECT.GET.*"),
            *(f"{_JS}.STREAM.PURGE.{name}" for name in names),
            f"{_JS}.STREAM.PURGE.OBJ_{BLOBS_BUCKET}",
            f"{_JS}.CONSUMER.CREATE.KV_{APIS_BUCKET}.*",
            f"{_JS}.CONSUMER.CREATE.KV_{APIS_BUCKET}.*.>",
            *("$JS.FC.>", _WHO),
        ),
        subscribe=(own, "shem.result.*.*", "shem.event.*.*", client_messages("*")),
    )


def _operator(own: str, names: Names) -> Permissions:
    return Permissions(
        publish=(
            *(*_invocations(names), f"{API}.*.*", _mail(names, "control"), *_schedules(names)),
            *_DISCOVERY,
            *(f"{_JS}.>", "$KV.>", "$O.>", "$JS.FC.>", "$JS.ACK.>", "$JS.SNAPSHOT.>", _WHO),
        ),
        # Journals and native code are the executors' alone, also for whoever may do the rest.
        publish_denied=(
            *(f"$O.{CODE_BUCKET}.>", f"$KV.{MEMBERS_BUCKET}.>", f"$KV.{SECRETS_BUCKET}.>"),
            # Executors make the streams, with the replicas that they were told.
            *(f"{_JS}.STREAM.CREATE.{name}" for name in (*names, *BUCKET_STREAMS)),
        ),
        subscribe=(own, "shem.result.>", "shem.event.>"),
    )


def _observer(own: str, names: Names) -> Permissions:
    verbs = ("worker.list", "worker.get", "component.list", "component.get", "executor.list")
    return Permissions(
        publish=(
            *(f"{API}.{verb}" for verb in verbs),
            *(*_look(names), f"{_JS}.INFO"),
            *(f"{_JS}.CONSUMER.INFO.{name}.*" for name in names),
            # Of workers there is what `worker.list` says of them, and how far the stream has come.
            *(f"{_JS}.DIRECT.GET.KV_{bucket}" for bucket in (MEMBERS_BUCKET, WORKERS_BUCKET)),
            *_DISCOVERY,
            _WHO,
        ),
        subscribe=(own, "shem.event.>"),
    )
