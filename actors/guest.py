"""A guest in memory: an instance with its journal, running one invocation after the other."""


from typing import final

from msgspec import Raw, UnsetType

from actors.calls import BoundFunction, CallTable
from actors.clock import WorkerClock
from actors.context import WorkerContext
from actors.engine.port import Instance, Limits
from actors.identity import WorkerId
from actors.journal import WorkerJournal
from actors.options import ExecutorOptions
from actors.programs import Prepared
from oplog.entries import Create, ExportedFunctionInvoked
from oplog.replay import Cursor
from oplog.writer import Writer
from wit.values import Value

__all__ = ["Guest"]


@final
class Guest:
    """One instance of a worker's component. Close it; it is of no use after any failure."""

    def __init__(self, instance: Instance, calls: CallTable, journal: WorkerJournal) -> None:
        self._instance = instance
        self.calls = calls
        self.journal = journal

    @staticmethod
    async def start(
        prepared: Prepared,
        create: Create,
        *,
        replay: Cursor,
        writer: Writer,
        clock: WorkerClock,
        options: ExecutorOptions,
    ) -> "Guest":
        """Instantiate the component; start functions run, answered by the journal.

        Raises:
            GuestTrap: a start function trapped, or the memory limit is too small.
        """
        journal = WorkerJournal(replay, writer, clock)
        context = WorkerContext(
            WorkerId(create.component, create.worker),
            journal=journal,
            clock=clock,
            arguments=create.args,
            environment=create.env,
            output=journal.output,
            suspend_after_s=options.suspend_after_s,
        )
        limits = Limits(memory_bytes_max=options.worker_memory_bytes_max)
        instance = await prepared.program.instantiate(context, limits)
        return Guest(instance, prepared.calls, journal)

    @property
    def memory_bytes(self) -> int:
        """The size of its linear memories."""
        return self._instance.memory_bytes

    async def call(self, bound: BoundFunction, arguments: list[Value]) -> Raw | UnsetType:
        """Run one invocation and return its result as JSON.

        Raises:
            GuestTrap: the guest failed.
            StopGuest, ExitRequest: it left on purpose.
            DivergenceError: it did something else than the log says.
        """
        value = await self._instance.call(bound.function, arguments)
        return bound.encode_result(value)

    def recall(self, invoked: ExportedFunctionInvoked) -> tuple[BoundFunction, list[Value]]:
        """Return the function and the arguments of a recorded invocation."""
        bound = self.calls.find(invoked.function)
        return bound, bound.decode_parameters(invoked.params)

    def close(self) -> None:
        """Free the instance."""
        self._instance.close()


