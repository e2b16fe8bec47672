"""The end of a worker: a commit that voids its log and keeps its watermarks.

A tombstone has index 0, so that the worker that comes after it begins with entry 1 again; its
watermarks keep the old mailbox from running for that worker. The log before it is purged after it
is stored; after a crash in between, reading passes over what is left, and the next tombstone
purges it.
"""

from broker.ports import Journal
from oplog.codec import encode
from oplog.commit import Head, Marks
from oplog.entries import Deleted

__all__ = ["bury"]


async def bury(
    journal: Journal,
    *,
    subject: str,
    head: Head,
    marks: Marks,
    message_id: str,
    at_ms: int,
) -> Head:
    """Append the tombstone behind `head`, purge the log before it, and return the new head.

    The worker's writer must have been closed and its outbox be empty. `marks.sent` starts again at
    0, since it counts entries. Payloads are left to `payloads.sweep`.

    Raises:
        FencedError: somebody else has appended behind `head`.
    """
    kept = Marks(
        invoked=max(marks.invoked, head.marks.invoked),
        control=max(marks.control, head.marks.control),
    )
    entry = Deleted(incarnation=head.incarnation, at_ms=at_ms)
    encoded = encode(0, (entry,), kept, head.hash)
    sequence = await journal.append(
        subject,
        encoded.data,
        message_id=message_id,
        expected_sequence=head.log_sequence,
        headers=encoded.headers,
    )
    await journal.purge(subject, up_to_sequence=sequence - 1)
    return Head(0, encoded.hash, sequence, kept)
