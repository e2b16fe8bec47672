"""What Shem needs of a message broker.

Sequence numbers grow over all subjects of one stream, and everything that concerns one worker, or
one partition, lies in one: its order is their order. Two streams' numbers have nothing to do with
each other; `Broker.sharding` tells which stream holds what. All methods may raise
`UnavailableError` unless they say otherwise; methods that retry by themselves say so. Callbacks run
on the event loop, must not block and must not raise.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from msgspec import Struct

from broker.sharding import Sharding

__all__ = [
    "Ack",
    "BlobInfo",
    "Blobs",
    "Broker",
    "Bucket",
    "BucketEntry",
    "Consumer",
    "Container",
    "Containers",
    "Delivery",
    "Journal",
    "Message",
    "Note",
    "Request",
    "Signals",
    "Subscription",
]

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Message(Struct, frozen=True):
    """A message stored in the stream."""

    subject: str
    sequence: int
    data: bytes
    headers: Mapping[str, str] = NO_HEADERS
    time_ns: int = 0


class Ack(Struct, frozen=True):
    """The broker has stored a message; `duplicate` if an earlier one with the same id counts."""

    sequence: int
    duplicate: bool = False


class Delivery(Struct, frozen=True):
    """A mailbox message as a consumer hands it out. `token` acknowledges it, also much later.

    `redelivered` says that this owner was given it before; a takeover forgets. `missed` says that
    the broker handed out others before this one that have not arrived: older messages may lie in
    the mailbox that were never delivered here.
    """

    message: Message
    token: str
    redelivered: bool = False
    missed: bool = False


class Note(Struct, frozen=True):
    """A message that nobody keeps (core NATS)."""

    subject: str
    data: bytes
    headers: Mapping[str, str] = NO_HEADERS


class Request(Struct, frozen=True):
    """A request that wants an answer on `reply_to`."""

    subject: str
    data: bytes
    reply_to: str
    headers: Mapping[str, str] = NO_HEADERS


class Journal(Protocol):
    """Mailboxes, logs, snapshots and schedules, in one stream or several."""

    def append(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str,
        expected_sequence: int,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Coroutine[Any, Any, int]:
        """Append behind `expected_sequence`, the last of `subject` (0: none); return the new one.

        Retries the same bytes under the same id until the outcome is known, through any outage, and
        resolves an ambiguous outcome by reading the last message of the subject from the leader.

        Raises:
            FencedError: another message stands behind `expected_sequence`.
            TooLargeError: the message is above the broker's limit.
        """
        ...

    def publish(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Coroutine[Any, Any, Ack]:
        """Publish durably; retry under the same id until acknowledged.

        Without an id it is tried once, since a retry could store it twice.
        """
        ...

    async def follow(
        self,
        subject: str,
        data: bytes,
        *,
        behind: str,
        message_id: str,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> bool:
        """Publish once, on condition that the newest message of its stream has the id `behind`.

        So a message can leave right behind an append of this connection that is not acknowledged
        yet, and is never stored without it. False: it is not stored, or that is unknown; then
        `publish` under the same id does what is to be done. Raises nothing.
        """
        ...

    def read(
        self, subject: str, *, from_sequence: int | Sequence[int] = 1
    ) -> AsyncIterator[Message]:
        """Yield the stored messages of `subject` (`*` allowed) in order up to now, in batches.

        A pattern that names no partition is read stream by stream; where to begin is then a number
        for each stream. What the replica that answers cannot read is passed over.
        """
        ...

    def read_whole(self, subject: str, *, from_sequence: int = 1) -> AsyncIterator[Message]:
        """Yield the stored messages of one subject up to now, as many as are counted.

        What one replica cannot read is asked of the others, and comes later than in its order.
        """
        ...

    async def last(self, subject: str, *, leader: bool = False) -> Message | None:
        """Return the newest message of `subject`; `leader`: never a stale one.

        `*` is allowed where the subject names its partition.
        """
        ...

    async def newest(self, subject: str) -> tuple[int, ...]:
        """Return the sequence of the newest message of `subject` in each stream; 0: none."""
        ...

    async def get(self, subject: str, sequence: int) -> Message | None:
        """Return one message by its sequence, of the stream that holds `subject`."""
        ...

    async def end(self, partition: int) -> int:
        """Return the sequence given out last in the stream that holds a partition.

        As the leader has it; its message may be gone by now.
        """
        ...

    async def is_led(self, partition: int) -> bool:
        """Whether the leader that answers for a partition has just heard from a majority.

        One that is cut off from the others goes on answering for a while, of what it had.
        """
        ...

    async def subjects(self, pattern: str) -> dict[str, int]:
        """Return the stored subjects that match and how many messages each has."""
        ...

    async def purge(self, subject: str, *, up_to_sequence: int | None = None) -> int:
        """Remove the messages of `subject` up to and including a sequence; return how many."""
        ...

    async def remove(self, subject: str, sequence: int) -> None:
        """Remove one message of the stream that holds `subject`, if it is there.

        For repairs, and for what was answered without a log: a log's chain notices.
        """
        ...

    async def schedule(
        self,
        subject: str,
        data: bytes,
        *,
        target: str,
        at_ns: int,
        message_id: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Ack:
        """Store a message on `subject` that goes to `target` at `at_ns` (Unix time).

        Fires at least once, never early, up to 0.3 s late, after downtime too. Publishing to the
        same `subject` again replaces it; purging `subject` cancels it.
        """
        ...


class Consumer(Protocol):
    """The mailbox deliveries of one partition, for one owner at a time."""

    async def acquire(self, *, owner_is_dead: bool) -> None:
        """Take the partition and have everything unacknowledged delivered again, in order.

        Waits while a living owner holds it. `owner_is_dead` takes it away at once.
        """
        ...

    async def release(self) -> None:
        """Stop deliveries and give the partition up for whoever comes next, at once."""
        ...

    def stop(self) -> None:
        """Stop deliveries without telling anybody: we are no owner any more."""
        ...

    def acknowledge(self, token: str) -> None:
        """Mark a delivery as done. Lost acknowledgements only cause a redelivery."""
        ...

    def doubt(self) -> None:
        """Look who holds the partition: go on if it is ours, `on_lost` if somebody has taken it."""
        ...


class Subscription(Protocol):
    """A running subscription of core messages."""

    async def close(self) -> None:
        """End it; no callback runs afterwards."""
        ...


class Signals(Protocol):
    """Core messages: at most once, nothing kept, for results, events and requests."""

    def publish(
        self, subject: str, data: bytes, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Send and forget. Silently lost while disconnected."""
        ...

    async def request(
        self,
        subject: str,
        data: bytes,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        timeout_s: float,
    ) -> Note:
        """Send and wait for one answer.

        Raises:
            UnavailableError: nobody serves the subject, or no answer in time.
        """
        ...

    async def subscribe(self, subject: str, callback: Callable[[Note], None]) -> Subscription:
        """Call back for every message; survives reconnection."""
        ...

    async def serve(
        self, subject: str, callback: Callable[[Request], None], *, group: str
    ) -> Subscription:
        """Receive requests; of all servers in `group` one gets each. Answer by `publish`."""
        ...

    def inbox(self) -> str:
        """Return a new unique subject on which this identity may receive."""
        ...


class BucketEntry(Struct, frozen=True):
    """A key's value and the revision it was written at; `data` None: deleted."""

    key: str
    data: bytes | None
    revision: int


class Bucket(Protocol):
    """A small replicated map. Keys are any text: what the broker cannot hold is encoded."""

    async def get(self, key: str) -> BucketEntry | None:
        """Return the newest value, read from the leader."""
        ...

    async def put(self, key: str, data: bytes, *, ttl_s: float | None = None) -> int:
        """Write and return the revision; with `ttl_s` (whole seconds) the key expires."""
        ...

    async def create(self, key: str, data: bytes) -> int:
        """Write a key that must not exist.

        Raises:
            ExistsError: it does.
        """
        ...

    async def update(
        self, key: str, data: bytes, *, revision: int, write_id: str | None = None
    ) -> int:
        """Write a key whose newest revision must be `revision`; 0: there must be none.

        A write that may be a repetition has a `write_id`: if it is among the last writes of the key
        that the bucket remembers, it is not done again and its revision is returned.

        Raises:
            ExistsError: somebody else wrote it.
        """
        ...

    async def delete(self, key: str) -> None:
        """Remove a key, whether it exists or not."""
        ...

    async def keys(self, prefix: str = "") -> Sequence[str]:
        """Return the living keys that start with `prefix`, sorted."""
        ...

    async def changes(self, *, behind: int = 0) -> Sequence[BucketEntry]:
        """Return every key written behind revision `behind` with its newest value, in that order.

        Deleted ones have no data; those deleted long ago may be left out.
        """
        ...

    async def watch(
        self, callback: Callable[[BucketEntry], None], *, prefix: str = ""
    ) -> Subscription:
        """Call back for every present key and every later change; survives reconnection."""
        ...


class Blobs(Protocol):
    """Large objects by name. Writing a name again replaces it atomically."""

    async def put(self, name: str, data: bytes) -> None:
        """Store an object."""
        ...

    async def get(self, name: str) -> bytes:
        """Return an object.

        Raises:
            NotFoundError: there is none of that name.
        """
        ...

    async def delete(self, name: str) -> None:
        """Remove an object, whether it exists or not."""
        ...

    async def names(self, prefix: str = "") -> Sequence[str]:
        """Return the names that start with `prefix`, sorted."""
        ...


class BlobInfo(Struct, frozen=True):
    """What is known of an object."""

    name: str
    size: int
    modified_ms: int


class Container(Blobs, Protocol):
    """A set of large objects of its own. Every call raises NotFoundError once it is deleted."""

    async def info(self, name: str) -> BlobInfo | None:
        """Return what is known of an object, None if there is none of that name."""
        ...

    async def clear(self) -> None:
        """Remove all objects."""
        ...


class Containers(Protocol):
    """Sets of large objects that users make, by name."""

    async def create(self, name: str) -> None:
        """Make an empty one; one that exists stays as it is.

        Raises:
            TooManyError: there are too many.
        """
        ...

    async def created_ms(self, name: str) -> int | None:
        """Return the Unix time of its creation, None if there is none."""
        ...

    async def delete(self, name: str) -> None:
        """Remove it with everything in it, whether it exists or not."""
        ...

    def open(self, name: str) -> Container:
        """Return it. Nothing is asked of the broker."""
        ...


class Broker(Protocol):
    """One connection to the broker with everything that lies behind it."""

    @property
    def journal(self) -> Journal:
        """Mailboxes, logs and schedules."""
        ...

    @property
    def signals(self) -> Signals:
        """Core messages."""
        ...

    @property
    def partitions(self) -> int:
        """How many partitions there are: fixed when the streams were made."""
        ...

    @property
    def sharding(self) -> Sharding:
        """Which stream holds what."""
        ...

    async def is_current(self) -> bool:
        """Say whether the partitions are still dealt out over streams as `sharding` has it.

        Whoever runs workers has to end if they are not. Everybody else learns of it by itself.

        Raises:
            UnavailableError: nobody says.
        """
        ...

    @property
    def payload_bytes_max(self) -> int:
        """The largest message that the broker takes."""
        ...

    @property
    def members(self) -> Bucket:
        """Living executors, by time to live."""
        ...

    @property
    def components(self) -> Bucket:
        """Component metadata."""
        ...

    @property
    def workers(self) -> Bucket:
        """How far the index of workers has come."""
        ...

    def workers_of(self, component: str) -> Bucket:
        """Return the index of a component's workers, rebuilt from the logs when lost."""
        ...

    @property
    def clients(self) -> Bucket:
        """Connected clients: who holds which, and the gateways that live."""
        ...

    @property
    def apis(self) -> Bucket:
        """HTTP APIs: definitions and what is deployed where."""
        ...

    @property
    def secrets(self) -> Bucket:
        """Secrets of components, encrypted by executors."""
        ...

    @property
    def sessions(self) -> Bucket:
        """Who is logged in at HTTP APIs; each key expires."""
        ...

    @property
    def blobs(self) -> Blobs:
        """Component binaries and large payloads."""
        ...

    def keyvalue(self, name: str) -> Bucket:
        """Return a bucket of the users' own. There is one of every name; an unused one is empty."""
        ...

    @property
    def containers(self) -> Containers:
        """Large objects of the users' own."""
        ...

    @property
    def code(self) -> Blobs:
        """What executors compiled: native code, which nobody else may write."""
        ...

    def consumer(
        self,
        partition: int,
        *,
        on_delivery: Callable[[Delivery], None],
        on_lost: Callable[[], None],
    ) -> Consumer:
        """Return the consumer of a partition. `on_lost`: somebody else holds it; stop at once."""
        ...

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Run `callback` after every re-established connection: deliveries may have been missed."""
        ...

    async def close(self) -> None:
        """Flush and disconnect."""
        ...
