"""Taking snapshots of one worker, between two invocations.

    everything committed and sent ─▶ guest and books as bytes ─▶ blob ─▶ `snapshot` entry ─▶ pointer

A crash before the pointer leaves the log as good as before: the blob is an orphan that goes with
its worker, the entry a hint. What cannot be saved is recorded with its reason and not asked for
again until the worker has done as much once more.
"""

import asyncio
import hashlib
import time
from typing import Final, final

import msgspec
import structlog

from actors.bell import Bell
from actors.engine.errors import GuestTrap, SnapshotRefusedError
from actors.errors import RejectedError, RestartGuest
from actors.guest import Guest
from actors.identity import Address
from actors.ledger import Ledger
from actors.old_history import OldHistory
from actors.programs import Prepared
from actors.recovery import Recovered
from actors.saved_worker import VERSION, SavedGuest, SavedWorker, concealed, encode
from actors.services import Services
from actors.snapshot_policy import Cost, SnapshotPolicy, parse_policy
from broker.errors import BrokerError, FencedError, RetryableError
from oplog.limits import SNAPSHOTS_KEPT_MAX
from oplog.snapshot_entries import Snapshot, SnapshotFailed
from oplog.snapshots import Base, SavedCommit, blob_name, publish, read_pointer

__all__ = ["Snapshots"]

REASON_CHARACTERS_MAX: Final = 2_000
# How long a guest may take to describe itself; nothing else runs meanwhile.
OWN_WORDS_MAX_S: Final = 10.0
# Of a guest that cannot, nobody asks again until it runs another version.
_OWN_WORDS_FAIL: Final = "save: save-snapshot failed"

log = structlog.get_logger(__name__)


@final
class Snapshots:
    """The snapshots of one life."""

    def __init__(
        self, ledger: Ledger, address: Address, services: Services, recovered: Recovered
    ) -> None:
        self._ledger = ledger
        self._address = address
        self._services = services
        self._known = list(recovered.usable)
        self._behind = recovered.pointer_sequence
        self._problem = recovered.past.status.status().snapshot_problem
        self.policy = SnapshotPolicy()
        """Never, until the component is known."""
        self._never = True
        self._may_be_due = False
        self._digest = ""
        self._old = OldHistory(ledger, address, services, recovered.past)
        self.makes_room = False
        """Whether the worker leaves memory for others, rather than for another executor."""
        # One more is the entry that tells of the snapshot.
        self._index = self._known[0].commit.index + 1 if self._known else 0
        self._busy_s = 0.0
        self._at_s = services.time.monotonic_s()
        self._took_s = 0.0
        if recovered.problem is not None:
            self.failed("load", recovered.problem)

    @property
    def are_any(self) -> bool:
        """Whether a pointer to snapshots is stored, whatever it names."""
        return self._behind > 0

    def choose(self, prepared: Prepared) -> None:
        """Take the policy of a component, or the executor's own; none for an ephemeral worker."""
        override = self._services.options.snapshots
        self.policy = prepared.policy if override is None else parse_policy(override)
        self._digest = prepared.record.digest
        self._old.policy = prepared.record.history
        own_words_fail = self.policy.is_custom and (self._problem or "").startswith(_OWN_WORDS_FAIL)
        if prepared.is_ephemeral or own_words_fail:
            self.policy = SnapshotPolicy()
        self._never = self.policy.is_never

    def cost(self, guest: Guest) -> Cost:
        """Return what has happened since the last snapshot, or since the last attempt."""
        return Cost(
            entries=self._ledger.writer.last_index - self._index,
            busy_s=guest.busy_s - self._busy_s,
            since_s=self._services.time.monotonic_s() - self._at_s,
            last_took_s=self._took_s,
        )

    def is_due(self, guest: Guest) -> bool:
        """Say whether to `take` one now. Asked after every invocation, and after a replay."""
        # Of nearly all invocations false; and until the next one, nobody has to look again.
        self._may_be_due = not self._never and not self.policy.is_out_of_question(
            self._ledger.writer.last_index - self._index, guest.busy_s - self._busy_s
        )
        return self._may_be_due and self.policy.while_working(self.cost(guest))

    def idle_after_s(self, guest: Guest) -> float | None:
        """Return for how many seconds to wait `while_idle`; None: just wait for work."""
        return self.policy.idle_after_s(self.cost(guest)) if self._may_be_due else None

    async def when_leaving(self, guest: Guest) -> None:
        """Take one of a worker that makes room, if it is due."""
        if self.makes_room and self.policy.when_leaving(self.cost(guest)):
            await self.take(guest)

    async def while_idle(self, guest: Guest, bell: Bell, after_s: float) -> None:
        """Wait for something to do, and use the time if that takes so long."""
        try:
            async with asyncio.timeout(after_s):
                await bell.wait()
                return
        except TimeoutError:
            if self.policy.while_idle(self.cost(guest)):
                await self.take(guest)
        await bell.wait()

    async def take(self, guest: Guest) -> None:
        """Take one now, as far as that is possible."""
        async with self._services.saving:
            await self._take(guest)

    async def _take(self, guest: Guest) -> None:
        ledger = self._ledger
        await ledger.writer.flush()
        await ledger.keys.pack_ahead()
        # What the commit caused leaves first: copying the guest takes the loop for a while.
        await asyncio.sleep(0)
        if not ledger.is_quiet or ledger.running is not None:
            # A schedule is on its way: its entry would be behind the snapshot and never sent again.
            return
        begun = time.perf_counter()
        index = ledger.writer.last_index
        try:
            saved = await self._saved(guest)
            if ledger.writer.last_index != index or not ledger.is_quiet:
                # The guest took its time to describe itself, and something came in meanwhile.
                self._attempted(guest, begun)
                return
            base, data = self._capture(guest, saved)
        except SnapshotRefusedError as error:
            self._attempted(guest, begun)
            self.failed("save", str(error))
            return
        self._attempted(guest, begun)
        took_us = round((time.perf_counter() - begun) * 1e6)
        try:
            await self._services.broker.blobs.put(base.blob, data)
            entry = Snapshot(
                at_ms=base.at_ms,
                index=base.commit.index,
                blob=base.blob,
                size=base.size,
                sha256=base.sha256,
                took_us=took_us,
                custom=self.policy.is_custom,
            )
            await ledger.writer.wait_committed(ledger.writer.add(entry))
            self._index = max(self._index, ledger.writer.last_index)
            await self._publish([base, *self._known])
        except FencedError:
            raise
        except RetryableError as error:
            log.info("cannot store a snapshot now", error=str(error))
            return
        except BrokerError as error:
            self.failed("save", str(error))
            return
        self._problem = None
        self._services.snapshot_taken(base.size, took_us)
        await self._old.settle(self._known)
        self._index = max(self._index, ledger.writer.last_index)

    def _attempted(self, guest: Guest, begun: float) -> None:
        self._index = self._ledger.writer.last_index
        self._busy_s = guest.busy_s
        self._at_s = self._services.time.monotonic_s()
        self._took_s = time.perf_counter() - begun

    async def _saved(self, guest: Guest) -> SavedGuest:
        if not self.policy.is_custom:
            return guest.save()
        try:
            async with asyncio.timeout(OWN_WORDS_MAX_S):
                return await guest.save_in_own_words(self._digest)
        except (GuestTrap, RejectedError, TimeoutError) as error:
            reason = str(error) or f"it took more than {OWN_WORDS_MAX_S:g} s"
            # The instance is half way through and of no use: the log has all of it.
            self.failed("save", f"save-snapshot failed: {reason}")
            raise RestartGuest from error

    def _capture(self, guest: Guest, saved_guest: SavedGuest) -> tuple[Base, bytes]:
        ledger = self._ledger
        created, head = ledger.created, ledger.writer.head
        assert created is not None, "a guest belongs to a created worker"
        consumed_index, consumed_ms = guest.consumed
        keys, open_keys = ledger.keys.packed(invoked=head.marks.invoked)
        saved = SavedWorker(
            v=VERSION,
            guest=saved_guest,
            consumed_index=consumed_index,
            consumed_ms=consumed_ms,
            segments=keys.segments,
            open_keys=open_keys,
            begun=ledger.history.begun.tobytes(),
            promises=tuple((index, bytes(result)) for index, result in ledger.promises.items()),
        )
        data = encode(saved)
        if self._services.secrets.has_any(created.component):
            data = concealed(data, created.component, self._services.secrets)
        sha256 = hashlib.sha256(data).hexdigest()
        base = Base(
            commit=SavedCommit(
                index=head.last_index, log_sequence=head.log_sequence, hash=head.hash
            ),
            blob=blob_name(created.incarnation, head.last_index, sha256),
            size=len(data),
            sha256=sha256,
            at_ms=ledger.clock.stamp_ms(),
            created=created,
            status=ledger.history.status(),
            last_ms=ledger.history.last_ms,
            structural=tuple(ledger.history.structural),
            outstanding=msgspec.Raw(msgspec.json.encode(ledger.waits.save())),
        )
        return base, data

    async def _publish(self, snapshots: list[Base]) -> None:
        broker = self._services.broker
        try:
            self._behind = await publish(
                broker.journal,
                broker.blobs,
                self._address.snap,
                snapshots=snapshots,
                behind=self._behind,
                spared=self._old.spared,
                message_id=self._services.next_message_id(),
            )
        except FencedError:
            # Somebody else owned the worker for a while. The log has its own fence.
            _, self._behind = await read_pointer(broker.journal, self._address.snap)
            return
        self._known = snapshots[:SNAPSHOTS_KEPT_MAX]

    async def reject(self, blob: str, reason: str) -> None:
        """Name a snapshot no longer: it does not load."""
        self.failed("load", reason)
        self._known = [base for base in self._known if base.blob != blob]
        await self._publish(self._known)

    def failed(self, operation: str, reason: str) -> None:
        """Record why no snapshot was taken or used, unless that is known."""
        problem = f"{operation}: {reason}"
        if problem == self._problem or self._ledger.created is None:
            return
        self._problem = problem
        self._services.metrics.snapshots.add(1, {"shem.outcome": f"{operation}-failed"})
        log.info("snapshot failed", operation=operation, reason=reason)
        self._ledger.writer.add(
            SnapshotFailed(
                at_ms=self._ledger.clock.stamp_ms(),
                operation="load" if operation == "load" else "save",
                reason=reason[:REASON_CHARACTERS_MAX],
            )
        )
