"""What host functions see of the worker they run for.

The executor implements it; host functions know nothing of the oplog, the broker or other workers.
A call that is answered from the oplog never gets here. What a `Kind.PURE` function does runs at
replay too, so it takes what it cannot compute itself through `record` or `record_wait`.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias

from msgspec import UNSET, Raw, Struct, UnsetType

from actors.host.control import Control
from actors.host.interface import Kind
from actors.host.saving import saveable_struct
from broker.ports import Blobs, Bucket, Containers
from wit.types import Type
from wit.values import Value

__all__ = [
    "SECRET_PREFIX",
    "Answered",
    "CallRequest",
    "Clock",
    "ExitRequest",
    "HostContext",
    "LogLevel",
    "OutgoingSpan",
    "OutputStream",
    "Refused",
    "SharedStores",
]

SECRET_PREFIX: Final = "secret:"  # noqa: S105 - what keys begin with, no secret
"""What the keys of secrets begin with, among those of `wasi:config/store`."""
OutputStream: TypeAlias = Literal["stdout", "stderr"]
LogLevel: TypeAlias = Literal["trace", "debug", "info", "warn", "error", "critical"]


class CallRequest(Struct, frozen=True, kw_only=True):
    """A call of another worker, as a guest asks for it.

    `component` is a name, or the UUID that guests know. Without a `worker` a new one gets a name of
    its own. `params` is a JSON array of values, or with
    `form` "wit-values" of node lists. `awaits`: an answer is wanted; `blocks`: nothing else happens
    before it. `run_at_ms` (Unix time) makes it a scheduled one. `timeout_ms`: how long its answer
    may take; None leaves that to the component.
    """

    component: str | uuid.UUID
    worker: str | None
    function: str
    params: Raw
    form: str = "json"
    awaits: bool = True
    blocks: bool = False
    run_at_ms: int | None = None
    timeout_ms: int | None = None


@saveable_struct("rpc/refused")
class Refused(Struct, frozen=True):
    """Why there is no result: a stable kind for programs and a message for people."""

    kind: str
    message: str


@saveable_struct("rpc/answered")
class Answered(Struct, frozen=True):
    """An answer from outside: `result` as JSON (unset: none) or `error`."""

    result: Raw | UnsetType = UNSET
    error: Refused | None = None


class Clock(Protocol):
    """The worker's time."""

    def wall_ns(self) -> int:
        """Unix time in nanoseconds."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since some point before the worker was created.

        Never goes backwards in a worker's life, across restarts and machines too.
        """
        ...


class OutgoingSpan(Protocol):
    """The span of a request that leaves the worker."""

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """What carries the trace on to the other side."""
        ...

    def answered(self, status: int) -> None:
        """Note how it was answered."""
        ...

    def end(self, error: str | None) -> None:
        """It is over; `error` says why it failed."""
        ...


class SharedStores(Protocol):
    """What all workers share."""

    def keyvalue(self, name: str) -> Bucket:
        """Return a bucket by its name."""
        ...

    @property
    def blobs(self) -> Blobs:
        """Payloads of workers, which lie beside messages and logs."""
        ...

    @property
    def containers(self) -> Containers:
        """Large objects."""
        ...

    @property
    def clients(self) -> Bucket:
        """Connected clients, by id."""
        ...


class HostContext(Protocol):
    """One worker instance, as its host functions see it."""

    @property
    def component(self) -> str:
        """The component's name."""
        ...

    @property
    def worker(self) -> str:
        """The worker's name."""
        ...

    @property
    def arguments(self) -> Sequence[str]:
        """Command-line arguments, fixed at creation."""
        ...

    @property
    def environment(self) -> Sequence[tuple[str, str]]:
        """Environment variables, fixed at creation."""
        ...

    def secret(self, name: str) -> str | None:
        """Return a secret of the component, None if there is none; recorded is its version."""
        ...

    @property
    def clock(self) -> Clock:
        """The worker's time."""
        ...

    @property
    def stores(self) -> SharedStores:
        """What all workers share. Only for what is not replayed."""
        ...

    @property
    def allows_sockets(self) -> bool:
        """Whether the component may use the network through `wasi:sockets`."""
        ...

    @property
    def state(self) -> dict[object, Any]:
        """Room for what a host interface keeps per instance, keyed by an object of its own."""
        ...

    @property
    def answer_place(self) -> str | None:
        """The name below which the running invocation stores what it answers with.

        The same at replay; None for one that must not store anything.
        """
        ...

    @property
    def is_answered_already(self) -> bool:
        """Whether the outcome of the invocation is in the log: what it stored is there."""
        ...

    def random_bytes(self, count: int, /) -> bytes:
        """Return unpredictable bytes."""
        ...

    def write_output(self, stream: OutputStream, data: bytes) -> None:
        """Emit guest output. At replay what was emitted before is not emitted again."""
        ...

    @property
    def recorded_wall_ns(self) -> int:
        """Unix time in nanoseconds of the newest oplog entry that replay consumes (no hint).

        Not later than now, the same at replay, and it costs no entry: the time for what a worker
        does inside itself, such as writing its files.
        """
        ...

    @property
    def control(self) -> Control:
        """What the guest may do to its own history and to other workers."""
        ...

    def begin_batch(self, name: str) -> int:
        """Begin something outside that takes several steps; return the index that names it.

        `name` is the host call, `ns:pkg/iface#what`. Nothing goes outside before `committed`. After
        a crash between begin and end, the guest is live from the begin on and all steps run again;
        in non-idempotent mode the worker fails instead. Other batches may begin and end meanwhile.
        """
        ...

    def request_key(self, name: str, content: Raw, begin: int) -> str:
        """Return the idempotency key of a request with that `content`, recorded as `name`.

        It is the same at every attempt to send the same; `begin` is the batch of the request.
        """
        ...

    def outgoing_span(self, method: str, target: str, index: int) -> OutgoingSpan:
        """Begin the span of a request that entry `index` causes. Only for what is not replayed."""
        ...

    def end_batch(self, begin: int) -> None:
        """End a batch, at a point of the guest's own course: the same one at replay."""
        ...

    def record(
        self,
        name: str,
        kind: Kind,
        type_: Type,
        live: Callable[[], Value],
        *,
        begin: int | None = None,
        request: Raw | UnsetType = UNSET,
    ) -> Value:
        """Return what `live()` returns, recorded like a host call `name` (`ns:pkg/iface#what`).

        At replay `live` is not called and the recorded value of type `type_` returned. The value
        holds no resources. `begin` names the batch that it is a step of.
        """
        ...

    async def record_wait(
        self,
        name: str,
        kind: Kind,
        type_: Type,
        live: Callable[[], Awaitable[Value]],
        *,
        begin: int | None = None,
    ) -> Value:
        """Like `record`, for what has to wait. After a crash in mid-wait it is called again."""
        ...

    def write_log(self, level: LogLevel, context: str, message: str) -> None:
        """Emit a line of the guest's log, under a context of its choice; at replay as above."""
        ...

    async def committed(self) -> None:
        """Return when everything recorded so far is committed: before anything goes outside."""
        ...

    async def call(self, name: str, request: CallRequest) -> int | Refused:
        """Call another worker once what led to it is committed, recorded as host call `name`.

        Returns the index under which the answer is known, the same at replay.
        """
        ...

    async def send_to_client(self, name: str, client: str, message: Raw) -> Refused | None:
        """Send to a connected client, after the commit; recorded as host call `name`.

        Returns why it is not sent: of kind `gone`.
        """
        ...

    def tell(self, name: str, request: CallRequest) -> None:
        """Call another worker by its component's name, without waiting for anything."""
        ...

    def is_answered(self, index: int) -> bool:
        """Whether the answer to what was asked at `index` is there. Not recorded."""
        ...

    async def wait_for_answers(
        self, indices: Sequence[int], monotonic_ns: int | None = None
    ) -> None:
        """Wait until one is answered, or for a point of the worker's clock. Not recorded.

        A long wait suspends the worker: the answer brings it back.
        """
        ...

    async def take_answer(self, name: str, index: int, *, wait: bool) -> Answered | None:
        """Observe the answer, None if it is not there yet; recorded as host call `name`.

        An answer can be observed once; it may have come long before, but not after `forget`. With
        `wait` it has to be there, and is waited for if it is not there again after a crash.
        """
        ...

    async def wait_and_take_answer(self, name: str, index: int) -> Answered:
        """Wait for the answer and observe it; recorded as host call `name`."""
        ...

    def forget_answer(self, name: str, index: int) -> None:
        """Say that nobody wants the answer any more; recorded as host call `name`."""
        ...

    async def cancel_scheduled(
        self, name: str, component: str | uuid.UUID, worker: str | None, index: int
    ) -> None:
        """Take back the call scheduled at `index`; recorded as host call `name`."""
        ...

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the instance ends, however it ends: connections are closed then."""
        ...

    def sleep_until(self, monotonic_ns: int) -> Awaitable[None]:
        """Wait for a point of the worker's monotonic clock.

        A long wait suspends the worker: it leaves memory, and a schedule of the broker brings it
        back. A guest may ask for any 64-bit number, so the point can lie centuries away.
        """
        ...


class ExitRequest(BaseException):
    """The guest asked to end its process. Not an Exception: nothing in between may swallow it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit with code {code}")
        self.code = code
        self.last_words = ""
        """What it wrote to stderr last, if whoever runs it listens to that."""
