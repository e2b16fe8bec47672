"""Commands that take more than entries: to create, to copy, to update a worker.

They are carried out at the beginning of a life, when nothing runs and the log is what was loaded.
A command counts as obeyed only when it is done; after a crash it is carried out again.
"""

from collections.abc import Mapping
from typing import final

from msgspec import Raw

from actors.command import CreateWorker, ForkWorker, UpdateWorker
from actors.commands import Commands
from actors.errors import ComponentUnknownError, QuotaError
from actors.identity import WorkerId
from actors.ledger import Ledger
from actors.message import Envelope
from actors.past import Past
from actors.quota_policy import NO_QUOTA, Quota, parse_quota
from actors.recovery import Recovered
from actors.rehearsal import rehearse
from actors.services import Services
from broker.ports import Message
from oplog.entries import Failure, PendingUpdate
from oplog.reader import LoadedLog, load

__all__ = ["Orders"]


@final
class Orders:
    """The orders of one life."""

    def __init__(
        self,
        worker_id: WorkerId,
        services: Services,
        ledger: Ledger,
        commands: Commands,
        *,
        recovered: Recovered,
        references: Mapping[bytes, Raw],
    ) -> None:
        self._id = worker_id
        self._services = services
        self._ledger = ledger
        self._commands = commands
        self._loaded = recovered.log
        self._past = recovered.past
        self._references = references

    async def carry_out(self) -> bool:
        """Carry out what the commands ask for. False: it was refused, and nothing has changed."""
        assert self._commands.order is not None
        (message, command), self._commands.order = self._commands.order, None
        match command:
            case CreateWorker():
                failure, answer = await self._create(command)
            case ForkWorker():
                failure, answer = await self._fork(command)
            case UpdateWorker():
                failure, answer = await self._update(command)
        if isinstance(command, UpdateWorker) and command.dry_run and failure is None:
            self._commands.done(message, ok=answer)
            return False
        if failure is None:
            await self._finish(message, answer)
            return True
        self._commands.done(message, error=failure)
        return False

    async def _finish(self, message: Message, answer: object) -> None:
        self._commands.done(message, ok=answer, told=False)
        await self._ledger.writer.flush()
        self._commands.answer(message, ok=answer)

    async def _create(self, command: CreateWorker) -> tuple[Failure | None, object]:
        try:
            record = await self._services.programs.components.get(
                self._id.component, command.version
            )
        except ComponentUnknownError as error:
            return Failure(kind="unknown-component", message=str(error)), None
        try:
            await self._services.admit(self._id, parse_quota(record.quota))
        except QuotaError as error:
            return Failure(kind="quota-exceeded", message=str(error)), None
        envelope = Envelope(
            sequence=0,
            key="",
            arguments=command.args,
            environment=tuple(command.env.items()),
        )
        self._ledger.create(record, envelope)
        return None, {"version": record.version}

    async def _fork(self, command: ForkWorker) -> tuple[Failure | None, object]:
        target = WorkerId(self._id.component, command.worker)
        loaded, _ = await self._whole()
        problem = await self._services.forks.copy(
            loaded, target, last=command.at, quota=await self._quota()
        )
        if problem is not None:
            return Failure(kind="cannot-fork", message=f"cannot fork {self._id}: {problem}"), None
        # Without an entry, nothing would be committed that says that the command was obeyed.
        self._ledger.command_done("ForkWorker", None)
        return None, {"worker": command.worker}

    async def _quota(self) -> Quota:
        try:
            record = await self._services.programs.components.get(
                self._id.component, self._ledger.component_version
            )
        except ComponentUnknownError:
            # Nobody says how many there may be of what cannot run.
            return NO_QUOTA
        return parse_quota(record.quota)

    async def _update(self, command: UpdateWorker) -> tuple[Failure | None, object]:
        ledger, past = self._ledger, self._past
        try:
            record = await self._services.programs.components.get(
                self._id.component, command.version
            )
        except ComponentUnknownError as error:
            return Failure(kind="unknown-component", message=str(error)), None
        problem = None
        if record.kind == "ephemeral":
            problem = "it lives for one invocation only"
        elif past.status.state == "exited":
            problem = "it has ended its process"
        elif command.version == ledger.component_version and past.plan.pending is None:
            problem = f"it runs version {command.version} already"
        elif past.plan.purged and (command.dry_run or command.mode == "automatic"):
            problem = (
                f"entries 1 to {past.plan.purged} of its log were purged, so that no other version "
                "can repeat them; update it by snapshot"
            )
        if problem is not None:
            text = f"cannot update {self._id}: {problem}"
            return Failure(kind="cannot-update", message=text), None
        if command.dry_run:
            return None, await self._rehearse(command)
        if past.plan.pending is not None:
            text = f"given up for the update to version {command.version}"
            ledger.update_failed(past.plan.pending.entry.target_version, text)
        if past.status.state == "failed" and past.failed_index:
            # What failed has its outcome and stays without effect: no version has to repeat it.
            ledger.leave_out(past.failed_index, ledger.writer.last_index)
        ledger.want_update(PendingUpdate(target_version=command.version, mode=command.mode))
        return None, {"version": command.version}

    async def _whole(self) -> tuple[LoadedLog, Past]:
        """Return the log from its first entry on, also if this life began at a snapshot."""
        if self._loaded.base is None:
            return self._loaded, self._past
        broker = self._services.broker
        loaded = await load(broker.journal, broker.blobs, self._ledger.address.log)
        return loaded, await Past.read(loaded)

    async def _rehearse(self, command: UpdateWorker) -> dict[str, object]:
        loaded, past = await self._whole()
        reason = await rehearse(
            self._id,
            self._services,
            loaded=loaded,
            past=past,
            references=self._references,
            version=command.version,
        )
        return {"version": command.version, "diverges": reason is not None, "reason": reason}
