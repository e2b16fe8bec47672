"""Looking at a server and its streams without changing anything.

Whatever the identity may not see, or a server does not answer, is left out and named in `unseen`.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Final, TypeVar, final
from urllib.error import URLError

import msgspec
from msgspec import Struct

from broker.errors import BrokerError, SetupError, TerminalError
from broker.inspection import (
    NOTHING,
    Disk,
    Grants,
    Identity,
    Inspection,
    Mark,
    Peer,
    Queue,
    StreamFacts,
)
from broker.jetstream.api import (
    CONSUMER_NOT_FOUND,
    STREAM_NOT_FOUND,
    ApiFailure,
    JetStreamApi,
)
from broker.jetstream.connect import connect_wire
from broker.jetstream.durability import fetch_monitor
from broker.jetstream.keys import decode_key
from broker.jetstream.limits import API_RETRIED_TIMEOUT_S
from broker.jetstream.mapping import check_mappings
from broker.jetstream.oplog_streams import (
    StreamConfig,
    differences_of,
    sharding_of,
    splitting_of,
)
from broker.jetstream.options import ConnectOptions, with_url_credentials
from broker.jetstream.reader import StreamReader, parse_time
from broker.jetstream.setup import BUCKET_STREAMS
from broker.sharding import Sharding, stream_name
from broker.subjects import MEMBERS_BUCKET, STREAM, WORKERS_BUCKET

__all__ = ["inspect"]

_NS_PER_S: Final = 1_000_000_000
_SAMPLES: Final = 5
_MARKER: Final = "Nats-Marker-Reason"
_OPERATION: Final = "KV-Operation"
# A leader hears of the others every second; servers call them offline after half a minute only.
_SILENT_NS: Final = 5_000_000_000

T = TypeVar("T")


class _State(Struct, frozen=True):
    messages: int = 0
    bytes: int = 0
    last_seq: int = 0


class _Replica(Struct, frozen=True):
    name: str = ""
    current: bool = True
    offline: bool = False
    # For how long its leader has not heard of it; 0: never, since it leads.
    active: int = 0
    lag: int = 0


class _Cluster(Struct, frozen=True):
    leader: str = ""
    replicas: tuple[_Replica, ...] = ()


class _Info(Struct, frozen=True):
    config: StreamConfig
    state: _State = _State()
    cluster: _Cluster = _Cluster()
    ts: str = ""


class _Pin(Struct, frozen=True):
    pinned_client_id: str = ""


class _Consumer(Struct, frozen=True):
    num_pending: int = 0
    num_ack_pending: int = 0
    priority_groups: tuple[_Pin, ...] = ()


class _Limits(Struct, frozen=True):
    max_storage: int = -1


class _Account(Struct, frozen=True):
    storage: int = 0
    limits: _Limits = _Limits()


class _Grants(Struct, frozen=True):
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class _Permissions(Struct, frozen=True):
    publish: _Grants | None = None
    subscribe: _Grants | None = None


class _User(Struct, frozen=True):
    user: str = ""
    account: str = ""
    permissions: _Permissions | None = None


class _UserInfo(Struct, frozen=True):
    data: _User = _User()


class _ServerStore(Struct, frozen=True):
    max_storage: int = 0
    sync_always: bool = False


class _Jsz(Struct, frozen=True):
    config: _ServerStore = _ServerStore()
    storage: int = 0


async def inspect(options: ConnectOptions) -> Inspection:
    """Connect, look at everything, and disconnect.

    Raises:
        UnavailableError: no server answers.
        PermissionDeniedError: the server refuses the identity.
        SetupError: the options are wrong.
    """
    options = with_url_credentials(options)
    wire = await connect_wire(options)
    try:
        return await _Inspector(JetStreamApi(wire, options.api_prefix), options).look()
    finally:
        await wire.close()


@final
class _Inspector:
    def __init__(self, api: JetStreamApi, options: ConnectOptions) -> None:
        self._api = api
        self._options = options
        self._unseen: list[str] = []
        self._missing: list[str] = []

    async def look(self) -> Inspection:
        server = self._api.wire.server
        until_s = self._api.wire.certificate_until_s
        oplog = await self._stream_info(STREAM)
        sharding = None if oplog is None else sharding_of(oplog.config)
        splitting = None if oplog is None else splitting_of(oplog.config)
        infos = {STREAM: oplog}
        oplogs = (STREAM,) if sharding is None else sharding.names
        for name in (*oplogs[1:], *BUCKET_STREAMS):
            infos[name] = await self._stream_info(name)
        round_trip, ahead, error = await self._clock()
        monitor = await self._monitor()
        looked_ns = time.time_ns()
        # At once: what may not be seen is never answered, and each wait lasts seconds.
        queues, members, identity, disk, progress = await asyncio.gather(
            self._queues(sharding),
            self._members(infos[f"KV_{MEMBERS_BUCKET}"]),
            self._identity(),
            self._disk(monitor),
            self._progress(infos[f"KV_{WORKERS_BUCKET}"]),
        )
        return Inspection(
            server=server.server_name or server.server_id,
            version=server.version,
            has_jetstream=server.jetstream,
            encrypted=server.tls_required or self._options.wants_tls,
            certificate_left_s=None if until_s is None else until_s - time.time(),
            payload_bytes_max=server.max_payload,
            round_trip_s=round_trip,
            clock_ahead_s=ahead,
            clock_error_s=error,
            syncs_always=None if monitor is None else monitor.config.sync_always,
            sharding=sharding,
            mapping_problem=await self._mapping_problem(sharding),
            splitting=None if splitting is None else splitting[1],
            streams=tuple(
                _facts(name, info, oplogs) for name, info in infos.items() if info is not None
            ),
            missing=tuple(self._missing),
            queues=queues,
            members=members,
            looked_ns=looked_ns,
            identity=identity,
            disk=disk,
            progress=progress,
            unseen=tuple(self._unseen),
        )

    async def _stream_info(self, name: str) -> _Info | None:
        try:
            return await self._ask(f"STREAM.INFO.{name}", _Info)
        except SetupError as error:
            if f"JetStream {STREAM_NOT_FOUND}" in str(error):
                self._missing.append(name)
            else:
                self._unseen.append(f"stream {name}: {error}")
        except BrokerError as error:
            self._unseen.append(f"stream {name}: {error}")
        return None

    async def _clock(self) -> tuple[float | None, float | None, float]:
        """Return round trip, how far our clock is ahead, and half the round trip as its error."""
        best: tuple[float, float] | None = None
        for _ in range(_SAMPLES):
            begun, sent_ns = time.monotonic(), time.time_ns()
            try:
                info = await self._ask(f"STREAM.INFO.{STREAM}", _Info)
            except BrokerError:
                # Why, stands there already.
                return None, None, 0.0
            if not info.ts:
                return time.monotonic() - begun, None, 0.0
            taken_s = time.monotonic() - begun
            middle_ns = sent_ns + round(taken_s * _NS_PER_S / 2)
            sample = (taken_s, (middle_ns - parse_time(info.ts)) / _NS_PER_S)
            best = min(best or sample, sample)
        return (None, None, 0.0) if best is None else (*best, best[0] / 2)

    async def _mapping_problem(self, sharding: Sharding | None) -> str | None:
        if sharding is None or sharding.is_single:
            return None
        try:
            await check_mappings(self._api.wire, sharding)
        except SetupError as error:
            return str(error)
        return None

    async def _queues(self, sharding: Sharding | None) -> tuple[Queue, ...]:
        found: list[Queue] = []
        if sharding is None:
            return ()
        for number in range(sharding.partitions):
            stream = stream_name(sharding.stream_of(number))
            try:
                info = await self._ask(f"CONSUMER.INFO.{stream}.P{number}", _Consumer)
            except ApiFailure as failure:
                # Made by the first executor that owns the partition.
                if failure.error.err_code != CONSUMER_NOT_FOUND:
                    self._unseen.append(f"partition {number}: {failure}")
                continue
            except TerminalError as error:
                self._unseen.append(f"partition {number}: {error}")
                continue
            except BrokerError as error:
                self._unseen.append(f"partitions from {number} on: {error}")
                break
            found.append(
                Queue(
                    partition=number,
                    waiting=info.num_pending,
                    unacknowledged=info.num_ack_pending,
                    is_owned=any(group.pinned_client_id for group in info.priority_groups),
                )
            )
        return tuple(found)

    async def _members(self, stream: _Info | None) -> tuple[Mark, ...]:
        if stream is None:
            return ()
        prefix = f"$KV.{MEMBERS_BUCKET}."
        found: dict[str, Mark] = {}
        try:
            async for message in StreamReader(self._api, f"KV_{MEMBERS_BUCKET}").read(f"{prefix}>"):
                name = decode_key(message.subject.removeprefix(prefix))
                headers = message.raw_headers
                if _MARKER in headers or _OPERATION in headers:
                    found.pop(name, None)
                else:
                    found[name] = Mark(executor=name, data=message.data, stored_ns=message.time_ns)
        except (BrokerError, ValueError) as error:
            self._unseen.append(f"executors: {error}")
        return tuple(found.values())

    async def _progress(self, stream: _Info | None) -> Mapping[str, bytes]:
        """Read the keys of the index of workers that are no rows, which have one token."""
        if stream is None:
            return NOTHING
        prefix = f"$KV.{WORKERS_BUCKET}."
        found: dict[str, bytes] = {}
        try:
            async for message in StreamReader(self._api, f"KV_{WORKERS_BUCKET}").read(f"{prefix}*"):
                found[decode_key(message.subject.removeprefix(prefix))] = message.data
        except (BrokerError, ValueError) as error:
            self._unseen.append(f"how far executors have come: {error}")
        return found

    async def _identity(self) -> Identity | None:
        try:
            answer = await self._api.wire.request(
                "$SYS.REQ.USER.INFO", b"", timeout_s=API_RETRIED_TIMEOUT_S
            )
            user = msgspec.json.decode(answer.data, type=_UserInfo).data
        except (BrokerError, msgspec.DecodeError) as error:
            self._unseen.append(f"our own permissions: {error}")
            return None
        permissions = user.permissions or _Permissions()
        return Identity(
            user=user.user,
            account=user.account,
            publish=_granted(permissions.publish),
            subscribe=_granted(permissions.subscribe),
        )

    async def _disk(self, monitor: _Jsz | None) -> Disk | None:
        try:
            account = await self._ask("INFO", _Account)
        except BrokerError as error:
            self._unseen.append(f"storage of the account: {error}")
            return None
        if account.limits.max_storage > 0:
            return Disk(used=account.storage, limit=account.limits.max_storage)
        if monitor is not None and monitor.config.max_storage > 0:
            return Disk(used=monitor.storage, limit=monitor.config.max_storage)
        return Disk(used=account.storage, limit=None)

    async def _monitor(self) -> _Jsz | None:
        url = self._options.monitor_url
        if url is None:
            return None
        try:
            data = await asyncio.to_thread(fetch_monitor, f"{url.rstrip('/')}/jsz?config=true")
            return msgspec.json.decode(data, type=_Jsz)
        except (URLError, OSError, ValueError, msgspec.DecodeError) as error:
            self._unseen.append(f"monitoring endpoint {url}: {error}")
            return None

    async def _ask(self, operation: str, answer: type[T]) -> T:
        return await self._api.call(operation, None, answer, timeout_s=API_RETRIED_TIMEOUT_S)


def _facts(name: str, info: _Info, oplogs: tuple[str, ...]) -> StreamFacts:
    peers = [
        Peer(
            name=each.name,
            is_current=each.current,
            is_offline=each.offline,
            is_silent=not each.current and not 0 < each.active < _SILENT_NS,
            lag=each.lag,
        )
        for each in info.cluster.replicas
    ]
    if info.cluster.leader:
        peers.insert(0, Peer(name=info.cluster.leader, is_leader=True))
    return StreamFacts(
        name=name,
        replicas=info.config.num_replicas,
        messages=info.state.messages,
        bytes=info.state.bytes,
        last_sequence=info.state.last_seq,
        peers=tuple(peers),
        differences=(
            tuple(differences_of(info.config, oplogs.index(name))) if name in oplogs else ()
        ),
    )


def _granted(grants: _Grants | None) -> Grants | None:
    return None if grants is None else Grants(grants.allow, grants.deny)
