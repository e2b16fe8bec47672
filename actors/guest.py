"""A guest in memory: an instance with its journal, running one invocation after the other."""

from collections.abc import Mapping
from typing import final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from actors.calls import BoundFunction, CallTable
from actors.context import WorkerContext
from actors.control import WorkerControl
from actors.directory import Directory
from actors.engine.port import Instance, Limits
from actors.errors import RejectedError
from actors.fork import Forks
from actors.guest_resources import GuestResources
from actors.host.context import SharedStores
from actors.host.files.filesystem import FileSystem
from actors.host.files.initial import new_filesystem
from actors.host.wasi.filesystem_types import FILES
from actors.identity import WorkerId
from actors.journal import WorkerJournal
from actors.ledger import Ledger
from actors.options import ExecutorOptions
from actors.programs import Prepared
from actors.remote import Remote
from actors.tracing import Tracing
from actors.waiting import NEVER_MS, Waiting
from oplog.attempts import Attempts
from oplog.entries import ExportedFunctionInvoked, Failure
from oplog.plan import Update
from oplog.replay import Cursor
from wit.values import Value

__all__ = ["Guest"]

_decode_bytes = msgspec.json.Decoder(bytes).decode


@final
class Guest:
    """One instance of a worker's component. Close it; it is of no use after any failure."""

    def __init__(
        self,
        instance: Instance,
        context: WorkerContext,
        *,
        calls: CallTable,
        references: Mapping[bytes, Raw],
    ) -> None:
        self._instance = instance
        self.calls = calls
        self._context = context
        self._references = references
        self.resources = GuestResources(WorkerId(context.component, context.worker))
        """Those of its resources that are held outside."""

    @staticmethod
    async def start(
        prepared: Prepared,
        ledger: Ledger,
        *,
        replay: Cursor,
        references: Mapping[bytes, Raw],
        options: ExecutorOptions,
        stores: SharedStores,
        attempts: Attempts,
        base: Update | None,
        waiting: Waiting,
        remote: Remote,
        directory: Directory,
        forks: Forks,
        tracing: Tracing,
    ) -> "Guest":
        """Instantiate the component; start functions run, answered by the journal.

        Raises:
            GuestTrap: a start function trapped, or the memory limit is too small.
        """
        created = ledger.created
        assert created is not None, "a guest belongs to a created worker"
        journal = WorkerJournal(replay, ledger, references, attempts)
        context = WorkerContext(
            ledger.id,
            journal=journal,
            clock=ledger.clock,
            arguments=created.args,
            environment=created.env,
            suspend_after_s=NEVER_MS / 1_000 if prepared.is_ephemeral else options.suspend_after_s,
            stores=stores,
            waiting=waiting,
            remote=remote,
            control=WorkerControl(
                journal,
                ledger,
                waiting,
                directory=directory,
                forks=forks,
                options=options,
            ),
            tracing=tracing,
            allows_sockets=prepared.record.sockets,
        )
        context.state[FILES] = new_filesystem(prepared.files)
        limits = Limits(memory_bytes_max=options.worker_memory_bytes_max)
        instantiate = prepared.program.instantiate
        try:
            if base is None:
                instance = await instantiate(context, limits, pace=context.pace)
                return Guest(instance, context, calls=prepared.calls, references=references)
            with journal.unheard():
                instance = await instantiate(context, limits, pace=context.pace)
                guest = Guest(instance, context, calls=prepared.calls, references=references)
                await guest._load_custom(base)
                return guest
        except BaseException:
            context.close()
            raise

    async def save_custom(self) -> bytes:
        """Return the guest's state in its own words.

        Raises:
            GuestTrap: it failed.
            RejectedError: its component does not export `save-snapshot`.
        """
        save = self.calls.own_words("save-snapshot", "save")
        with self._context.journal.unheard():
            snapshot: bytes = await self._instance.call(save, [])
        return snapshot

    async def _load_custom(self, base: Update) -> None:
        load = self.calls.own_words("load-snapshot", "load")
        snapshot = base.entry.snapshot
        assert isinstance(snapshot, Raw), "a base has a snapshot"
        data = self._references.get(bytes(snapshot), snapshot)
        outcome = await self._instance.call(load, [_decode_bytes(data)])
        if outcome[0] == "err":
            text = f"load-snapshot refused the state: {outcome[1]}"
            raise RejectedError(Failure(kind="snapshot-refused", message=text))

    @property
    def files(self) -> FileSystem:
        """Its files."""
        filesystem: FileSystem = self._context.state[FILES]
        return filesystem

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
        if bound.drops:
            await self._instance.drop(arguments[0])
            return UNSET
        value = await bound.run(self._instance, self._context, bound.function, arguments)
        return bound.encode_result(value, self.resources)

    def recall(self, invoked: ExportedFunctionInvoked) -> tuple[BoundFunction, list[Value]]:
        """Return the function and the arguments of a recorded invocation."""
        bound = self.calls.find(invoked.function)
        params = self._references.get(bytes(invoked.params), invoked.params)
        return bound, bound.decode_parameters(params, self.resources)

    def close(self) -> None:
        """Free the instance and what it holds outside."""
        try:
            self._instance.close()
        finally:
            self._context.close()
