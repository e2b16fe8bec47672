"""Streams and buckets: created once, checked at every start.

Nothing that exists is changed. A stream that would lose messages or sort workers into other
partitions than we compute is refused, with what to do about it.
"""

from typing import Any, Final, final

import structlog
from msgspec import Struct

from broker.errors import SetupError, UnavailableError
from broker.jetstream.api import STREAM_NOT_FOUND, ApiFailure, JetStreamApi
from broker.jetstream.limits import API_TIMEOUT_S
from broker.jetstream.options import ConnectOptions
from broker.layout import (
    DUPLICATE_WINDOW_S,
    STREAM_SUBJECTS,
    TRANSFORM_SOURCE,
    transform_destination,
)
from broker.subjects import (
    APIS_BUCKET,
    BLOBS_BUCKET,
    CODE_BUCKET,
    COMPONENTS_BUCKET,
    KEYVALUE_BUCKET,
    MEMBERS_BUCKET,
    PARTITIONS_DEFAULT,
    STREAM,
    WORKERS_BUCKET,
)
from broker.versions import SERVER_VERSION_MIN, missing_features, parse_version

__all__ = ["Setup", "Shape", "blobs_config"]

_NS_PER_S: Final = 1_000_000_000
_SETUP_RETRIES: Final = 40
# Values of a guest's key that are kept, so that the repetition of a write finds its first attempt
# even when others have written since.
_HISTORY: Final = 16

log = structlog.get_logger(__name__)

# Settings that decide whether messages survive and fences hold, with the value each must have.
_REQUIRED: Final[dict[str, object]] = {
    "retention": "limits",
    "storage": "file",
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
    "allow_direct": True,
    "allow_msg_schedules": True,
    "allow_msg_ttl": True,
}


class _Transform(Struct, frozen=True):
    src: str = ""
    dest: str = ""


class _Config(Struct, frozen=True):
    subjects: tuple[str, ...] = ()
    num_replicas: int = 1
    retention: str = ""
    storage: str = ""
    max_msgs: int = -1
    max_bytes: int = -1
    max_age: int = 0
    max_msgs_per_subject: int = -1
    allow_direct: bool = False
    allow_msg_schedules: bool = False
    allow_msg_ttl: bool = False
    subject_transform: _Transform = _Transform()
    metadata: dict[str, str] | None = None


class _Cluster(Struct, frozen=True):
    name: str = ""


class _StreamInfo(Struct, frozen=True):
    config: _Config
    cluster: _Cluster = _Cluster()


class Shape(Struct, frozen=True):
    """What was found. `clustered`: the stream has replicas, or may be given some at any time."""

    partitions: int
    clustered: bool
    replicas: int = 1


@final
class Setup:
    """Brings the server into the state that Shem needs, or says why it cannot."""

    def __init__(self, api: JetStreamApi, options: ConnectOptions) -> None:
        self._api = api
        self._options = options

    async def run(self) -> Shape:
        """Create what is missing, check what is there; return the shape of the stream.

        Raises:
            SetupError: server too old, JetStream off, or a stream with other settings.
        """
        self._check_version()
        shape = await self._oplog_stream()
        replicas = self._options.replicas or 1
        for bucket in (MEMBERS_BUCKET, COMPONENTS_BUCKET, WORKERS_BUCKET, APIS_BUCKET):
            await self._ensure(f"KV_{bucket}", _bucket_config(bucket, replicas))
        keyvalue = {**_bucket_config(KEYVALUE_BUCKET, replicas), "max_msgs_per_subject": _HISTORY}
        await self._ensure(f"KV_{KEYVALUE_BUCKET}", keyvalue)
        for bucket in (BLOBS_BUCKET, CODE_BUCKET):
            await self._ensure(f"OBJ_{bucket}", blobs_config(bucket, replicas))
        return shape

    def _check_version(self) -> None:
        version = self._api.wire.server.version
        missing = missing_features(parse_version(version))
        if missing:
            wanted = ".".join(map(str, SERVER_VERSION_MIN))
            raise SetupError(
                f"nats-server {version or 'of unknown version'} is too old, it lacks: "
                f"{', '.join(missing)}. Upgrade it to {wanted} or newer, or use `shem up` with its "
                "embedded server"
            )

    async def _oplog_stream(self) -> Shape:
        wanted = self._options.partitions or PARTITIONS_DEFAULT
        info = await self._ensure(STREAM, _oplog_config(wanted, self._options.replicas or 1))
        config = info.config
        partitions = _partitions_of(config)
        missing = [
            f"{name} is {getattr(config, name)!r} instead of {value!r}"
            for name, value in _REQUIRED.items()
            if getattr(config, name) != value
        ]
        if partitions is None:
            missing.append(
                f"its subject transform is {config.subject_transform.src!r} to "
                f"{config.subject_transform.dest!r}"
            )
        absent = sorted(set(STREAM_SUBJECTS) - set(config.subjects))
        if absent:
            missing.append(f"it takes in {list(config.subjects)}, which lacks {absent}")
        if missing or partitions is None:
            raise SetupError(
                f"stream {STREAM} has other settings than Shem needs: {'; '.join(missing)}. "
                f"Edit it (`nats stream edit {STREAM}`), or use a server or account without it. "
                "A feature that stays off after creation is not supported by the server: upgrade it"
            )
        self._check_choices(config, partitions)
        return Shape(
            partitions, clustered=bool(info.cluster.name), replicas=max(1, config.num_replicas)
        )

    def _check_choices(self, config: _Config, partitions: int) -> None:
        if self._options.partitions not in {None, partitions}:
            raise SetupError(
                f"stream {STREAM} was made with {partitions} partitions, "
                f"{self._options.partitions} are asked for: partitions are fixed at creation, so "
                "leave the option out or start with an empty server"
            )
        if self._options.replicas not in {None, config.num_replicas}:
            raise SetupError(
                f"stream {STREAM} has {config.num_replicas} replicas, {self._options.replicas} are "
                f"asked for: run `nats stream edit {STREAM} --replicas {self._options.replicas}` "
                "or leave the option out"
            )

    async def _ensure(self, name: str, config: dict[str, Any]) -> _StreamInfo:
        """Return what is to know of a stream, created if it was missing."""
        try:
            info = await self._call(f"STREAM.INFO.{name}", None)
        except SetupError as error:
            if not _is_missing(error):
                raise
            log.info("creating stream", stream=name, replicas=config["num_replicas"])
            try:
                info = await self._call(f"STREAM.CREATE.{name}", {"name": name, **config})
            except ApiFailure as failure:
                raise SetupError(
                    f"stream {name} cannot be created: {failure}. Check that the server has the "
                    f"{config['num_replicas']} replicas asked for and that the account may use "
                    "JetStream"
                ) from failure
        return info

    async def _call(self, operation: str, body: object) -> _StreamInfo:
        try:
            return await self._api.call(
                operation, body, _StreamInfo, timeout_s=API_TIMEOUT_S, retries=_SETUP_RETRIES
            )
        except UnavailableError as error:
            raise SetupError(
                f"JetStream does not answer ({error}): enable it on the server (`jetstream {{}}` "
                "in its configuration) and for this account, or wait for a cluster leader"
            ) from error


def _is_missing(error: SetupError) -> bool:
    return f"JetStream {STREAM_NOT_FOUND}" in str(error)


def _partitions_of(config: _Config) -> int | None:
    transform = config.subject_transform
    head, _, rest = transform.dest.partition("partition(")
    number = rest.partition(",")[0]
    if not head or not number.isdecimal() or transform.src != TRANSFORM_SOURCE:
        return None
    partitions = int(number)
    return partitions if transform.dest == transform_destination(partitions) else None


def _oplog_config(partitions: int, replicas: int) -> dict[str, Any]:
    return {
        **_REQUIRED,
        "description": "Shem: mailboxes, logs and schedules of workers",
        "subjects": list(STREAM_SUBJECTS),
        "num_replicas": replicas,
        "subject_transform": {
            "src": TRANSFORM_SOURCE,
            "dest": transform_destination(partitions),
        },
        "duplicate_window": DUPLICATE_WINDOW_S * _NS_PER_S,
    }


def _bucket_config(bucket: str, replicas: int) -> dict[str, Any]:
    return {
        "subjects": [f"$KV.{bucket}.>"],
        "num_replicas": replicas,
        "storage": "file",
        "retention": "limits",
        "max_msgs_per_subject": 1,
        "discard": "new",
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "allow_msg_ttl": True,
        # An expired key leaves a marker for a moment, so that watches see it go.
        "subject_delete_marker_ttl": _NS_PER_S,
        "duplicate_window": DUPLICATE_WINDOW_S * _NS_PER_S,
    }


def blobs_config(bucket: str, replicas: int) -> dict[str, Any]:
    """Return the settings of an object store."""
    return {
        "subjects": [f"$O.{bucket}.C.>", f"$O.{bucket}.M.>"],
        "num_replicas": replicas,
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "duplicate_window": DUPLICATE_WINDOW_S * _NS_PER_S,
    }
