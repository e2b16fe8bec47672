"""What a guest may do to its own history and to other workers, as host functions see it."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Literal, NoReturn, Protocol, TypeAlias

import msgspec
from msgspec import Raw, Struct

__all__ = ["Control", "Facts", "LogEntry", "PersistenceLevel", "RetryRule", "SpanStart"]

PersistenceLevel: TypeAlias = Literal["persist-nothing", "persist-remote-side-effects", "smart"]


class RetryRule(Protocol):
    """When a failed invocation is tried again; delays in nanoseconds."""

    @property
    def max_attempts(self) -> int:
        """With the first try."""
        ...

    @property
    def min_delay_ns(self) -> int:
        """After the first failure."""
        ...

    @property
    def max_delay_ns(self) -> int:
        """Never longer."""
        ...

    @property
    def multiplier(self) -> float:
        """From one delay to the next."""
        ...

    @property
    def max_jitter_factor(self) -> float | None:
        """How much is added at random."""
        ...


class Facts(Struct, frozen=True, kw_only=True):
    """A worker as its log shows it."""

    component: uuid.UUID
    worker: str
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    status: str
    component_version: int
    retry_count: int
    created_at_ms: int


class LogEntry(Struct, frozen=True):
    """An entry of a log: its index, its type and its fields as plain JSON values."""

    index: int
    type: str
    fields: dict[str, object]

    def text(self) -> str:
        """Return it as JSON."""
        return msgspec.json.encode(self).decode()


class SpanTold(Struct, frozen=True):
    """A span that has ended: its name, the span of the guest above it, and what it was given."""

    name: str
    parent: str | None
    started_at_ms: int
    attributes: Mapping[str, str]


class SpanStart(Struct, frozen=True):
    """A span that the guest began."""

    span_id: str
    started_at_ms: int


class Control(Protocol):
    """The levers of one worker. Nothing here is recorded unless it says so."""

    @property
    def is_live(self) -> bool:
        """Whether what the guest does next is new."""
        ...

    @property
    def index(self) -> int:
        """The entry that was consumed or recorded last."""
        ...

    @property
    def level(self) -> PersistenceLevel:
        """What of the guest's host calls is recorded."""
        ...

    @property
    def idempotent(self) -> bool:
        """Whether a remote write without known outcome may be repeated."""
        ...

    @property
    def retry(self) -> RetryRule:
        """The policy that counts for this worker now."""
        ...

    def reserve(self, name: str) -> int:
        """Record that host call `name` took an index, and return it."""
        ...

    async def go_back(self, index: int) -> NoReturn:
        """Leave out everything behind entry `index` and start again from there; recorded.

        Raises:
            GuestTrap: nobody can go there.
        """
        ...

    def begin_atomic(self) -> int:
        """Begin what is done as a whole; recorded. Returns its index."""
        ...

    def end_atomic(self, begin: int) -> None:
        """End it; recorded.

        Raises:
            GuestTrap: nothing of that index is open.
        """
        ...

    def begin_remote(self, name: str) -> int:
        """Begin a remote write; recorded."""
        ...

    def end_remote(self, begin: int) -> None:
        """End it; recorded."""
        ...

    async def choose_level(self, level: PersistenceLevel) -> None:
        """Record other host calls from now on; recorded and committed."""
        ...

    def choose_idempotence(self, name: str, idempotent: bool) -> None:  # noqa: FBT001 - as in WIT
        """Say whether remote writes may be repeated; recorded as host call `name`."""
        ...

    def choose_retry(
        self,
        *,
        max_attempts: int,
        min_delay_ns: int,
        max_delay_ns: int,
        multiplier: float,
        max_jitter_factor: float | None,
    ) -> None:
        """Choose when failures are tried again; recorded."""
        ...

    def next_key(self) -> str:
        """Return an idempotency key derived from the running one and the next index."""
        ...

    async def create_promise(self, name: str) -> int:
        """Make a promise; recorded as host call `name`. Returns the index that names it."""
        ...

    def is_own(self, component: uuid.UUID, worker: str) -> bool:
        """Whether these are this worker's names."""
        ...

    def knows_promise(self, index: int) -> bool:
        """Whether this worker made a promise at `index`."""
        ...

    async def wait_for_promise(self, index: int) -> bytes:
        """Wait until it is completed; a long wait suspends the worker."""
        ...

    def completed_promise(self, index: int) -> bytes | None:
        """Return what it is completed with."""
        ...

    def complete_promise(self, name: str, index: int, data: bytes) -> bool:
        """Complete an own promise; False if it was before; recorded as host call `name`."""
        ...

    def forget_promise(self, name: str, index: int) -> None:
        """Say that nobody waits for it any more; recorded as host call `name`."""
        ...

    async def order(
        self, name: str, component: uuid.UUID, worker: str, command: Mapping[str, object]
    ) -> object:
        """Have a worker obey a command and return what it answers; recorded as host call `name`.

        Raises:
            GuestTrap: it refuses, with the reason.
        """
        ...

    async def fork(self, name: str, worker: str) -> bool:
        """Make a copy of this worker up to here; recorded. True in the copy.

        Raises:
            GuestTrap: there is a worker of that name.
        """
        ...

    def own_facts(self) -> Facts:
        """Return what is known of this worker now."""
        ...

    async def facts(self, component: uuid.UUID, worker: str) -> Facts | None:
        """Return what the log of a worker says; None if there is none."""
        ...

    async def page(
        self, component: uuid.UUID, *, after: str, limit: int, precise: bool
    ) -> tuple[Sequence[Facts], str | None]:
        """Return workers in the order of their names, and behind which to go on.

        `precise`: as each log says, rather than the index, which is some seconds late at most.
        """
        ...

    async def component_id(self, reference: str) -> uuid.UUID | None:
        """Return the component that a reference names."""
        ...

    async def entries(
        self, component: uuid.UUID, worker: str, *, start: int, limit: int, query: str | None
    ) -> tuple[Sequence[LogEntry], int | None]:
        """Return entries of a worker's log from `start` on, and where to go on.

        Raises:
            GuestTrap: the query is malformed, or there is no such worker.
        """
        ...

    def read_persisted(self) -> tuple[LogEntry, Raw]:
        """Return the next entry of the log, which has to be a host call, and its response.

        Raises:
            GuestTrap: the worker is live, or may not read here.
        """
        ...

    def persist(self, name: str, kind: str, request: Raw, response: Raw, begin: int | None) -> None:
        """Record a host call that the guest made itself."""
        ...

    def start_span(self, name: str, parent: str | None) -> SpanStart:
        """Begin a span; recorded."""
        ...

    def finish_span(self, span_id: str, told: SpanTold) -> None:
        """End it; recorded, and exported with the invocation's trace, if anybody listens."""
        ...

    def set_span_attribute(self, span_id: str, key: str, value: str) -> None:
        """Give it an attribute; recorded."""
        ...

    @property
    def trace(self) -> tuple[str, str, str | None]:
        """The trace id, the span id and the trace state of the running invocation."""
        ...

    @property
    def attributes(self) -> Mapping[str, str]:
        """What whoever invoked says of the running invocation."""
        ...
