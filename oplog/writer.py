"""Group commit: the only place that appends to a worker's log.

    add ──▶ pending ──▶ one append in flight ──▶ on_commit ──▶ when_committed callbacks
              ▲                  │
              └─ accumulates ────┘  and goes into the next commit together

The first `add` starts the writer's one task; it begins to encode in the next turn of the event
loop, so everything that is added in one turn travels together, and it ends when nothing is pending.
What is added without hurry starts it only when something joins it, somebody waits for it, or
`COMPANY_WAIT_S` are over.
`stop` cancels it, `close` waits for its end too. A failure of any kind ends the writer for good:
whether the last append was stored is then known only by reading the log again.
"""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from itertools import count
from typing import final

from msgspec import Struct

from broker.ports import Blobs, Journal
from oplog import payloads
from oplog.codec import Encoded, encode_entry, seal, type_name
from oplog.commit import Commit, Head, Marks
from oplog.entries import Create, Deleted, Entry
from oplog.errors import EntryTooLargeError, WriterStoppedError
from oplog.limits import COMMIT_BYTES_MAX, COMMIT_ENTRIES_MAX, COMPANY_WAIT_S, ENTRY_BYTES_MAX

__all__ = ["Writer"]


class _Pending(Struct):
    """An entry that waits for its commit, with the watermarks as they stood when it was added."""

    index: int
    entry: Entry
    encoded: bytes
    outside: bool
    invoked: int
    control: int


@final
class Writer:
    """The one writer of one worker's log, from its head at load until it is stopped.

    Callbacks run on the event loop, must not block and must not raise; one that raises fails the
    writer. `next_message_id` is asked once per commit and must never give the same id twice;
    `sent_mark` is asked for the outbox mark just before a commit is encoded; `on_append` gets the
    index of the first entry, the entries and the id of a commit just before it is sent.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        blobs: Blobs,
        subject: str,
        head: Head,
        next_message_id: Callable[[], str],
        sent_mark: Callable[[], int],
        on_commit: Callable[[Commit, int], None],
        on_failure: Callable[[BaseException], None],
        on_append: Callable[[int, Sequence[Entry], str], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._journal = journal
        self._blobs = blobs
        self._subject = subject
        self._next_message_id = next_message_id
        self._sent_mark = sent_mark
        self._on_commit = on_commit
        self._on_failure = on_failure
        self._on_append = on_append
        self._head = head
        self._incarnation = head.incarnation
        self._invoked = head.marks.invoked
        self._control = head.marks.control
        self._pending: list[_Pending] = []
        self._pending_bytes = 0
        self._callbacks: list[tuple[int, int, Callable[[], None]]] = []
        self._ticket = count()
        self._waiters: set[asyncio.Future[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._settling = False
        self._stopped = False
        self._failure: BaseException | None = None
        self.last_index = head.last_index
        """The index given out last, committed or not."""
        self.committed_index = head.last_index
        """The last index that the broker has acknowledged."""
        self.on_stored: Callable[[int, Encoded], None] | None = None
        """Gets the sequence and the bytes of each commit, before `on_commit` does."""

    @property
    def head(self) -> Head:
        """Where the log ends as far as it is committed."""
        return self._head

    @property
    def busy(self) -> bool:
        """Whether an entry is not committed yet."""
        return self.last_index > self.committed_index

    def add(
        self,
        entry: Entry,
        *,
        invoked: int | None = None,
        control: int | None = None,
        hurry: bool = True,
    ) -> int:
        """Queue `entry` for the next commit, move watermarks, and return the entry's index.

        Without `hurry` the commit waits a little for what else may come.

        Raises:
            WriterStoppedError: it was stopped or has failed.
            EntryTooLargeError: no commit can hold it. Nothing was added.
        """
        if self._stopped:
            self._require_running()
        assert type(entry) is not Deleted, "a tombstone is written by oplog.tombstone"
        encoded = encode_entry(entry)
        outside = payloads.belongs_outside(entry, encoded)
        size = payloads.inline_size(entry, encoded) if outside else len(encoded)
        if size > ENTRY_BYTES_MAX:
            message = (
                f"entry {type_name(entry)!r} has {size} bytes besides its payloads, "
                f"at most {ENTRY_BYTES_MAX} fit into a commit"
            )
            raise EntryTooLargeError(message)
        if type(entry) is Create:
            assert self.last_index == 0, "create is entry 1"
            self._incarnation = entry.incarnation
        if invoked is not None or control is not None:
            self.mark(invoked=invoked, control=control)
        self.last_index = index = self.last_index + 1
        self._pending.append(_Pending(index, entry, encoded, outside, self._invoked, self._control))
        self._pending_bytes += len(encoded)
        if hurry:
            self._begin()
        elif self._task is None and self._patience is None:
            self._patience = self._loop.call_later(COMPANY_WAIT_S, self._begin)
        return index

    def mark(self, *, invoked: int | None = None, control: int | None = None) -> None:
        """Move watermarks without an entry.

        They travel with the next commit and cause none by themselves; a crash before it takes the
        messages between out of the mailbox once more.
        """
        if invoked is not None:
            assert invoked >= self._invoked, f"watermark {invoked} is behind {self._invoked}"
            self._invoked = invoked
        if control is not None:
            assert control >= self._control, f"watermark {control} is behind {self._control}"
            self._control = control

    def when_committed(self, index: int, callback: Callable[[], None]) -> None:
        """Run `callback` once entry `index` is committed, in the order of indices.

        It runs after `on_commit` of that commit; at once if that is over; never after `stop` or a
        failure.
        """
        if self._stopped:
            return
        if index <= self.committed_index and not self._settling:
            callback()
            return
        heapq.heappush(self._callbacks, (index, next(self._ticket), callback))

    async def wait_committed(self, index: int) -> None:
        """Wait until entry `index` is committed.

        Raises:
            WriterStoppedError: stopped before that.
            BaseException: what `on_failure` got.
        """
        assert index <= self.last_index, f"entry {index} was not added: {self.last_index} is last"
        if index <= self.committed_index:
            return
        self._require_running()
        self._begin()
        waiter: asyncio.Future[None] = self._loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)
        self.when_committed(index, wake)
        await waiter

    async def flush(self) -> None:
        """Wait until everything added so far is committed; raises like `wait_committed`."""
        await self.wait_committed(self.last_index)

    def stop(self) -> None:
        """Drop everything that is not committed. No callback runs afterwards.

        An append in flight may still be stored: load the log again before writing to it.
        """
        self._end(WriterStoppedError(f"the writer of {self._subject} was stopped"))

    async def close(self) -> None:
        """Stop, and wait until the writer's task has ended."""
        self.stop()
        task = self._task
        if task is not asyncio.current_task():
            if task is not None:
                await asyncio.wait({task})
            # Nobody is called any more, and who is called holds this writer: without this both
            # would stay in memory until the next search for garbage.
            self._sent_mark = _never_asked
            self._on_commit = self._on_failure = self._on_append = self.on_stored = _never_told

    def _begin(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._task is None:
            self._task = self._loop.create_task(self._run())

    def _require_running(self) -> None:
        if self._failure is not None:
            message = f"the writer of {self._subject} has failed: {self._failure}"
            raise WriterStoppedError(message) from self._failure
        if self._stopped:
            message = f"the writer of {self._subject} was stopped"
            raise WriterStoppedError(message)

    def _end(self, reason: BaseException) -> None:
        self._stopped = True
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._pending.clear()
        self._callbacks.clear()
        for waiter in tuple(self._waiters):
            if not waiter.done():
                waiter.set_exception(reason)
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def _run(self) -> None:
        try:
            while self._pending:
                batch = self._next_batch()
                capped = bool(self._pending)
                large = [pending for pending in batch if pending.outside]
                if large:
                    await self._externalise(large)
                commit, encoded, message_id = self._seal(batch)
                sequence = await self._journal.append(
                    self._subject,
                    encoded.data,
                    message_id=message_id,
                    expected_sequence=self._head.log_sequence,
                    headers=encoded.headers,
                )
                if self.on_stored is not None:
                    self.on_stored(sequence, encoded)
                self._settle(commit, sequence)
                if capped:
                    # Even a broker that answers at once must not keep others from running.
                    await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.stop()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing can be written any more
            if not self._stopped:
                self._failure = error
                self._end(error)
                self._on_failure(error)
        finally:
            self._task = None

    def _next_batch(self) -> list[_Pending]:
        batch = self._pending
        if len(batch) <= COMMIT_ENTRIES_MAX and self._pending_bytes <= COMMIT_BYTES_MAX:
            self._pending, self._pending_bytes = [], 0
            return batch
        fitting = size = 0
        for pending in batch[:COMMIT_ENTRIES_MAX]:
            # What goes to the blob store leaves only a reference, far smaller than this estimate.
            size += min(len(pending.encoded), ENTRY_BYTES_MAX)
            if fitting and size > COMMIT_BYTES_MAX:
                break
            fitting += 1
        self._pending = batch[fitting:]
        self._pending_bytes = sum(len(pending.encoded) for pending in self._pending)
        return batch[:fitting]

    def _marks_of(self, batch: list[_Pending]) -> Marks:
        # Watermarks of entries that are still pending must not be stored before them: a crash would
        # lose the messages in between. With nothing left behind, later moves may travel along.
        last = batch[-1]
        sent = max(self._head.marks.sent, min(self._sent_mark(), self._head.last_index))
        if self._pending:
            return Marks(invoked=last.invoked, control=last.control, sent=sent)
        return Marks(invoked=self._invoked, control=self._control, sent=sent)

    async def _externalise(self, large: list[_Pending]) -> None:
        for pending in large:
            name = f"{payloads.prefix(self._incarnation)}{pending.index}"
            stored = await payloads.externalise(pending.entry, self._blobs, name)
            pending.encoded = encode_entry(stored)

    def _seal(self, batch: list[_Pending]) -> tuple[Commit, Encoded, str]:
        """Return the commit, its message and the message's id, about to be sent."""
        first = self.committed_index + 1
        entries = tuple([pending.entry for pending in batch])
        chunks = [pending.encoded for pending in batch]
        marks = self._marks_of(batch)
        encoded = seal(first, entries, chunks, marks, self._head.hash)
        message_id = self._next_message_id()
        if self._on_append is not None:
            self._on_append(first, entries, message_id)
        commit = Commit(first, entries, marks, self._head.hash, encoded.hash)
        return commit, encoded, message_id

    def _settle(self, commit: Commit, sequence: int) -> None:
        last = self.committed_index + len(commit.entries)
        self._head = Head(last, commit.hash, sequence, commit.marks, self._incarnation)
        self.committed_index = last
        self._settling = True
        try:
            self._on_commit(commit, sequence)
            # A callback may stop the writer, which empties the list, or add to it.
            while self._callbacks and self._callbacks[0][0] <= self.committed_index:
                heapq.heappop(self._callbacks)[2]()
        finally:
            self._settling = False


def _never_asked() -> int:
    raise AssertionError("a writer that is closed appends nothing")


def _never_told(*_: object) -> None:
    raise AssertionError("a writer that is closed appends nothing")
