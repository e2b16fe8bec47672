"""A guest in memory: an instance with its journal, running one invocation after the other."""

from collections.abc import Callable, Mapping
from typing import final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from actors.calls import BoundFunction, CallTable
from actors.context import WorkerContext
from actors.control import WorkerControl
from actors.directory import Directory
from actors.engine.errors import GuestTrap, SnapshotRefusedError, SnapshotUnusableError
from actors.engine.port import Instance, InstanceImage, Limits
from actors.errors import RejectedError
from actors.fork import Forks
from actors.guest_resources import GuestResources
from actors.host import saving
from actors.host.context import SharedStores
from actors.host.files.filesystem import FileSystem
from actors.host.files.initial import new_filesystem
from actors.host.wasi.filesystem_types import FILES
from actors.identity import WorkerId
from actors.journal import WorkerJournal
from actors.ledger import Ledger
from actors.options import ExecutorOptions
from actors.programs import Prepared
from actors.refusing import Refusing
from actors.remote import Remote
from actors.saved_worker import SavedGuest, compressed
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
        replay: Cursor | Refusing,
        references: Mapping[bytes, Raw],
        options: ExecutorOptions,
        stores: SharedStores,
        attempts: Attempts,
        base: Update | None,
        waiting: Waiting,
        remote: Remote,
        saved: SavedGuest | None = None,
        directory: Directory,
        forks: Forks,
        tracing: Tracing,
    ) -> "Guest":
        """Instantiate the component; start functions run, answered by the journal.

        With `saved` it goes on where that guest was.

        Raises:
            SnapshotUnusableError: `saved` does not fit the component; replay it instead.
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
                tracing=tracing,
            ),
            tracing=tracing,
            secrets=ledger.secrets,
            allows_sockets=prepared.record.sockets,
        )
        limits = Limits(memory_bytes_max=prepared.memory.limit(options.worker_memory_bytes_max))
        try:
            with context.last_words:
                guest = await Guest._begun(
                    prepared, context, limits, references=references, base=base, saved=saved
                )
        except BaseException:
            context.close()
            raise
        if saved is not None and not saved.words_of:
            tracing.metrics.snapshot_loaded()
        return guest

    @staticmethod
    async def _begun(
        prepared: Prepared,
        context: WorkerContext,
        limits: Limits,
        *,
        references: Mapping[bytes, Raw],
        base: Update | None,
        saved: SavedGuest | None,
    ) -> "Guest":
        if saved is not None:
            follow = Guest._told if saved.words_of else Guest._restored
            return await follow(prepared, context, limits, references=references, saved=saved)
        context.state[FILES] = new_filesystem(prepared.files)
        instantiate = prepared.program.instantiate
        if base is None:
            instance = await instantiate(context, limits, pace=context.pace)
            return Guest(instance, context, calls=prepared.calls, references=references)
        with context.journal.unheard():
            instance = await instantiate(context, limits, pace=context.pace)
            guest = Guest(instance, context, calls=prepared.calls, references=references)
            snapshot = base.entry.snapshot
            assert isinstance(snapshot, Raw), "a base has a snapshot"
            state = _decode_bytes(references.get(bytes(snapshot), snapshot))
            await guest._tell(state)
            return guest

    @staticmethod
    async def _restored(
        prepared: Prepared,
        context: WorkerContext,
        limits: Limits,
        *,
        references: Mapping[bytes, Raw],
        saved: SavedGuest,
    ) -> "Guest":
        context.journal.resume(saved.level, idempotent=saved.idempotent)
        found = saving.load(saved.host_data(), prepared.fixed_files)
        context.state.update(found.state)
        image = InstanceImage(saved.image, found.objects)
        instance = await prepared.program.restore(context, limits, image, pace=context.pace)
        guest = Guest(instance, context, calls=prepared.calls, references=references)
        try:
            guest.resources.resume(saved.resources, instance.adopt)
        except BaseException:
            instance.close()
            raise
        return guest

    @staticmethod
    async def _told(
        prepared: Prepared,
        context: WorkerContext,
        limits: Limits,
        *,
        references: Mapping[bytes, Raw],
        saved: SavedGuest,
    ) -> "Guest":
        """Return a new instance that has been told what an earlier one said of itself."""
        if saved.words_of != prepared.record.digest:
            raise SnapshotUnusableError("another version of the component saved itself")
        context.state[FILES] = new_filesystem(prepared.files)
        with context.journal.unheard():
            instance = await prepared.program.instantiate(context, limits, pace=context.pace)
            guest = Guest(instance, context, calls=prepared.calls, references=references)
            try:
                await guest._tell(saved.image)
            except (GuestTrap, RejectedError) as error:
                raise SnapshotUnusableError(f"load-snapshot failed: {error}") from error
        context.journal.resume(saved.level, idempotent=saved.idempotent)
        guest.resources.resume(saved.resources, instance.adopt)
        return guest

    async def save_custom(self) -> bytes:
        """Return the guest's state in its own words.

        Raises:
            GuestTrap: it failed.
            RejectedError: its component does not export `save-snapshot`.
        """
        save = self.calls.own_words("save-snapshot", "save")
        with self._context.last_words, self._context.journal.unheard():
            snapshot: bytes = await self._instance.call(save, [])
        return snapshot

    async def _tell(self, state: bytes) -> None:
        """Tell a new instance its state; it is closed if it does not take that."""
        try:
            load = self.calls.own_words("load-snapshot", "load")
            outcome = await self._instance.call(load, [state])
        except BaseException:
            self._instance.close()
            raise
        if outcome[0] == "err":
            self._instance.close()
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

    @property
    def busy_s(self) -> float:
        """How long it has run, waits left out."""
        return self._instance.busy_s

    @property
    def consumed(self) -> tuple[int, int]:
        """The entry that was consumed or recorded last, and its time in milliseconds."""
        journal = self._context.journal
        return journal.consumed_index, journal.recorded_ms

    def only_read(self, tell: Callable[[str, str, str], None]) -> None:
        """Change nothing outside from now on; `tell(level, message, context)` hears its output."""
        self._context.journal.only_read(tell)
        self._context.allows_sockets = False

    def save(self, *, to_read: bool = False) -> SavedGuest:
        """Return the guest between two invocations; it stays as it is.

        `to_read`: for a copy that changes nothing, whatever is half done outside.

        Raises:
            SnapshotRefusedError: it holds what cannot be saved, or is in the middle of something.
        """
        journal = self._context.journal
        if not to_read:
            journal.check_saveable()
        image = self._instance.save()
        return SavedGuest(
            image=image.data,
            host=compressed(saving.save(image.objects, self._context.state)),
            level=journal.level,
            idempotent=journal.idempotent,
            resources=self.resources.save(),
        )

    async def save_in_own_words(self, digest: str) -> SavedGuest:
        """Return the guest as it describes itself; `digest` is that of its component.

        Raises:
            SnapshotRefusedError: others hold resources of it, which its words cannot name.
            GuestTrap: it failed, and is of no use any more.
            RejectedError: its component does not export `save-snapshot`.
        """
        journal = self._context.journal
        journal.check_saveable()
        if self.resources.save().held:
            raise SnapshotRefusedError("others hold resources of it")
        words = await self.save_custom()
        return SavedGuest(
            image=words,
            host=b"",
            level=journal.level,
            idempotent=journal.idempotent,
            resources=self.resources.save(),
            words_of=digest,
        )

    async def call(self, bound: BoundFunction, arguments: list[Value]) -> Raw | UnsetType:
        """Run one invocation and return its result as JSON.

        Raises:
            GuestTrap: the guest failed.
            StopGuest, ExitRequest: it left on purpose.
            DivergenceError: it did something else than the log says.
        """
        instance = self._instance
        with self._context.last_words:
            if bound.drops:
                await instance.drop(arguments[0])
                instance.forget_refusals()
                return UNSET
            if bound.run is None:
                value = await instance.call(bound.function, arguments)
            else:
                value = await bound.run(instance, self._context, bound.function, arguments)
        instance.forget_refusals()
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
