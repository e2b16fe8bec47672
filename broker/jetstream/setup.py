"""Streams and buckets: created once, checked at every start.

Nothing that exists is changed. A stream that would lose messages or sort workers into other
partitions than we compute is refused, with what to do about it.
"""

from typing import Any, Final, final

import structlog
from msgspec import Struct

from broker.errors import SetupError, UnavailableError
from broker.jetstream.api import ApiFailure, JetStreamApi, is_missing_stream
from broker.jetstream.limits import API_TIMEOUT_S
from broker.jetstream.mapping import check_mappings
from broker.jetstream.oplog_streams import (
    StreamConfig,
    differences_of,
    oplog_config,
    sharding_of,
    splitting_of,
)
from broker.jetstream.options import ConnectOptions
from broker.layout import DUPLICATE_WINDOW_S
from broker.sharding import Sharding
from broker.subjects import (
    APIS_BUCKET,
    BLOBS_BUCKET,
    CLIENTS_BUCKET,
    CODE_BUCKET,
    COMPONENTS_BUCKET,
    KEYVALUE_BUCKET,
    MEMBERS_BUCKET,
    PARTITIONS_DEFAULT,
    RESTORING,
    SECRETS_BUCKET,
    SESSIONS_BUCKET,
    STREAM,
    WORKERS_BUCKET,
)
from broker.versions import SERVER_VERSION_MIN, missing_features, parse_version

__all__ = [
    "BUCKET_STREAMS",
    "Setup",
    "Shape",
    "blobs_config",
]

_NS_PER_S: Final = 1_000_000_000
_BUCKETS: Final = (
    MEMBERS_BUCKET,
    COMPONENTS_BUCKET,
    WORKERS_BUCKET,
    APIS_BUCKET,
    CLIENTS_BUCKET,
    SECRETS_BUCKET,
    SESSIONS_BUCKET,
)
_OBJECT_STORES: Final = (BLOBS_BUCKET, CODE_BUCKET)
BUCKET_STREAMS: Final = (
    *(f"KV_{bucket}" for bucket in (*_BUCKETS, KEYVALUE_BUCKET)),
    *(f"OBJ_{bucket}" for bucket in _OBJECT_STORES),
)
"""The streams behind the buckets that every system has."""
_SETUP_RETRIES: Final = 40
# Values of a guest's key that are kept, so that the repetition of a write finds its first attempt
# even when others have written since.
_HISTORY: Final = 16

log = structlog.get_logger(__name__)


class _Cluster(Struct, frozen=True):
    name: str = ""


class _StreamInfo(Struct, frozen=True):
    config: StreamConfig
    cluster: _Cluster = _Cluster()


class Shape(Struct, frozen=True):
    """What was found. `clustered`: the stream has replicas, or may be given some at any time."""

    sharding: Sharding
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
        if self._options.runs_workers:
            await self._check_whole()
        shape = await self._oplog_streams()
        replicas = self._options.replicas or 1
        for bucket in _BUCKETS:
            await self._ensure(f"KV_{bucket}", _bucket_config(bucket, replicas))
        keyvalue = {**_bucket_config(KEYVALUE_BUCKET, replicas), "max_msgs_per_subject": _HISTORY}
        await self._ensure(f"KV_{KEYVALUE_BUCKET}", keyvalue)
        for bucket in _OBJECT_STORES:
            await self._ensure(f"OBJ_{bucket}", blobs_config(bucket, replicas))
        return shape

    async def _check_whole(self) -> None:
        """Refuse logs of which only a part may be there yet: workers would go on from it."""
        try:
            await self._call(f"STREAM.INFO.{RESTORING}", None)
        except SetupError as error:
            if not is_missing_stream(error):
                raise
            return
        raise SetupError(
            "a backup is being restored here, or was, until it was killed: wait for its end, or "
            "begin it anew by `shem backup restore --again`"
        )

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

    async def _oplog_streams(self) -> Shape:
        wanted = Sharding(
            self._options.partitions or PARTITIONS_DEFAULT, self._options.streams or 1
        )
        info = await self._ensure(STREAM, oplog_config(wanted, 0, self._options.replicas or 1))
        splitting = splitting_of(info.config)
        if splitting is not None:
            raise SetupError(
                f"the streams are being split into {splitting[1]}: finish it by "
                f"`shem streams split {splitting[1]}`"
            )
        sharding = sharding_of(info.config)
        if sharding is None:
            raise _unusable(STREAM, differences_of(info.config))
        self._check_choices(info.config, sharding)
        replicas = max(1, info.config.num_replicas)
        for number, name in enumerate(sharding.names):
            each = info
            if number:
                each = await self._ensure(name, oplog_config(sharding, number, replicas))
            missing = differences_of(each.config, number)
            if missing or sharding_of(each.config) != sharding:
                raise _unusable(name, missing or ["it belongs to another number of streams"])
        if not sharding.is_single:
            await check_mappings(self._api.wire, sharding)
        return Shape(sharding, clustered=bool(info.cluster.name), replicas=replicas)

    def _check_choices(self, config: StreamConfig, sharding: Sharding) -> None:
        if self._options.partitions not in {None, sharding.partitions}:
            raise SetupError(
                f"stream {STREAM} was made with {sharding.partitions} partitions, "
                f"{self._options.partitions} are asked for: partitions are fixed at creation, so "
                "leave the option out or start with an empty server"
            )
        streams = self._options.streams
        if streams is not None and streams != sharding.streams:
            raise SetupError(_other_streams(sharding, streams))
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
            if not is_missing_stream(error):
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


def _unusable(name: str, differences: list[str]) -> SetupError:
    return SetupError(
        f"stream {name} has other settings than Shem needs: {'; '.join(differences)}. "
        f"Edit it (`nats stream edit {name}`), or use a server or account without it. "
        "A feature that stays off after creation is not supported by the server: upgrade it"
    )


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


def _other_streams(sharding: Sharding, wanted: int) -> str:
    """Say what can be done where other streams are wanted than there are."""
    text = (
        f"{sharding.streams} stream(s) hold the logs here, {wanted} are asked for: leave the "
        "option out"
    )
    if wanted % sharding.streams or wanted > sharding.partitions:
        return f"{text}: streams can be split into a multiple of what there is, and not be joined"
    return (
        f"{text}, or deal the partitions out anew by `shem streams split {wanted}` (of a stopped "
        f"`shem up`: `shem streams split {wanted} --data DIR`)"
    )
