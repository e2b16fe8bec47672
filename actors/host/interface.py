"""How a host interface is written: a table of functions, each with its durability kind.

A file under `host/` makes one `HostInterface` and registers its functions on it. A function gets
the `HostContext` of its worker first, then the WIT arguments; a blocking one is a coroutine
function. It is written for the live case only: `actors.durability` decides whether it runs or is
answered from the oplog, and is the only place that knows the difference.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, TypeVar

from msgspec import Struct

__all__ = ["HostFunction", "HostInterface", "Kind"]

Implementation = TypeVar("Implementation", bound=Callable[..., Any])


class Kind(Enum):
    """What a host call does to the world, and so what replay must do about it."""

    # Bookkeeping inside the worker (handles, buffers): runs again at replay, nothing is recorded.
    # Must be deterministic. The only kind that may take or return resources it creates. With
    # `blocking` it is awaited live and at replay alike: then the resource it is called on decides
    # whether it waits, and records for itself (`HostContext.record_wait`).
    PURE = "pure"
    # Depends on something outside: its result is recorded and returned again at replay.
    READ_LOCAL = "read-local"
    WRITE_LOCAL = "write-local"
    READ_REMOTE = "read-remote"
    # Changes something outside: the intent is committed first, the result at once.
    WRITE_REMOTE = "write-remote"
    WRITE_REMOTE_BATCHED = "write-remote-batched"
    WRITE_REMOTE_TRANSACTION = "write-remote-transaction"
    # Waits for time or for messages. Its result is recorded when the wait is over; after a crash in
    # mid-wait it waits again, for the same deadline, since deadlines come from recorded clocks.
    BLOCKING = "blocking"


class HostFunction(Struct, frozen=True):
    """One row of the durability table.

    `records`: what a pure one may record for itself. `after(context, arguments, result)` is called
    with what a recorded one returns to the guest, at replay too.
    """

    interface: str
    name: str
    kind: Kind
    run: Callable[..., Any]
    blocking: bool = False
    records: Kind | None = None
    after: Callable[[Any, Sequence[Any], Any], None] | None = None


class HostInterface:
    """The functions of one WIT interface, `ns:pkg/iface`, and the version they implement.

    A component may import any version that is semver-compatible with it, or with one of
    `other_versions`, which have the same functions under another number; None is no version at all.
    """

    def __init__(
        self,
        name: str,
        *,
        version: str | None = None,
        other_versions: tuple[str | None, ...] = (),
    ) -> None:
        self.name = name
        self.version = version
        self.versions = (version, *other_versions)
        self.functions: dict[str, HostFunction] = {}
        self.drops: dict[str, Callable[[Any, Any], None]] = {}

    def function(
        self,
        name: str,
        kind: Kind,
        *,
        blocking: bool = False,
        records: Kind | None = None,
        after: Callable[[Any, Sequence[Any], Any], None] | None = None,
    ) -> Callable[[Implementation], Implementation]:
        """Register the implementation of `name` (the raw WIT name, `[method]pollable.block`).

        `records` names, for people, what a pure function records for itself; `after` hears what a
        function of the kinds read and blocking returns, live and at replay.
        """

        def register(run: Implementation) -> Implementation:
            assert name not in self.functions, f"{self.name}#{name} is registered twice"
            self.functions[name] = HostFunction(
                interface=self.name,
                name=name,
                kind=kind,
                run=run,
                blocking=blocking,
                records=records,
                after=after,
            )
            return run

        return register

    def drop(self, resource: str) -> Callable[[Implementation], Implementation]:
        """Register what happens when the guest drops a handle of `resource`."""

        def register(run: Implementation) -> Implementation:
            self.drops[resource] = run
            return run

        return register
