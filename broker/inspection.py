"""What can be seen of a deployment from outside, without changing anything.

Facts only: what is good or bad about them is decided elsewhere. A fact that could not be had is
None, and `unseen` says why.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from broker.sharding import Sharding

__all__ = [
    "Disk",
    "Grants",
    "Identity",
    "Inspection",
    "Mark",
    "Peer",
    "Queue",
    "StreamFacts",
]


NOTHING: Final[Mapping[str, bytes]] = MappingProxyType({})


class Peer(Struct, frozen=True, kw_only=True):
    """One copy of a stream. `lag`: how many operations it is behind the leader.

    `is_silent`: the leader has not heard of it for some seconds, or not at all.
    """

    name: str
    is_leader: bool = False
    is_current: bool = True
    is_offline: bool = False
    is_silent: bool = False
    lag: int = 0


class StreamFacts(Struct, frozen=True, kw_only=True):
    """A stream as the server describes it. `differences`: settings that Shem needs otherwise."""

    name: str
    replicas: int
    messages: int
    bytes: int
    last_sequence: int = 0
    peers: tuple[Peer, ...] = ()
    differences: tuple[str, ...] = ()


class Queue(Struct, frozen=True, kw_only=True):
    """The deliveries of one partition. `is_owned`: an executor has it now."""

    partition: int
    waiting: int
    unacknowledged: int
    is_owned: bool


class Mark(Struct, frozen=True, kw_only=True):
    """The heartbeat of an executor, as it wrote it, and when the broker stored it (Unix ns)."""

    executor: str
    data: bytes
    stored_ns: int


class Grants(Struct, frozen=True):
    """Subjects that are allowed and denied; nothing allowed means that everything is."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class Identity(Struct, frozen=True, kw_only=True):
    """Who we are for the server. `publish` and `subscribe` None: no restriction."""

    user: str
    account: str
    publish: Grants | None = None
    subscribe: Grants | None = None


class Disk(Struct, frozen=True, kw_only=True):
    """What JetStream keeps, in bytes. `limit` is the account's, else the server's; None: none."""

    used: int
    limit: int | None


class Inspection(Struct, frozen=True, kw_only=True):
    """Everything that was seen. Times in seconds.

    `certificate_left_s`: how long the server's certificate is still good, None: it showed none.
    `clock_ahead_s` is our clock minus the server's, known to within `clock_error_s`. `looked_ns` is
    our clock (Unix ns) when the heartbeats were read.
    `syncs_always` None: the server does not tell. `mapping_problem` says why invocations do not
    reach the streams. `splitting`: into how many streams they are being dealt out, by a split that
    is not through. `progress` is what executors write of how far they have come, by key.
    """

    server: str
    version: str
    has_jetstream: bool
    encrypted: bool
    certificate_left_s: float | None = None
    payload_bytes_max: int
    round_trip_s: float | None = None
    clock_ahead_s: float | None = None
    clock_error_s: float = 0.0
    syncs_always: bool | None = None
    sharding: Sharding | None = None
    mapping_problem: str | None = None
    splitting: int | None = None
    streams: tuple[StreamFacts, ...] = ()
    missing: tuple[str, ...] = ()
    queues: tuple[Queue, ...] = ()
    members: tuple[Mark, ...] = ()
    looked_ns: int | None = None
    identity: Identity | None = None
    disk: Disk | None = None
    progress: Mapping[str, bytes] = NOTHING
    unseen: tuple[str, ...] = ()

    @property
    def partitions(self) -> int | None:
        """How many partitions there are, if that is known."""
        return None if self.sharding is None else self.sharding.partitions
