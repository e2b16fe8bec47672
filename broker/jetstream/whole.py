"""Reading all messages of one subject, also those that a replica passes over.

A server whose disk has damaged a message passes over it in its answers without a word, and goes on
counting it. With replicas the others have it: what is counted and was not read is asked for again,
and what another server adds is added.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing

import structlog

from broker.errors import UnavailableError
from broker.jetstream.limits import READ_PATIENCE_S
from broker.jetstream.reader import StoredMessage, StreamReader
from broker.jetstream.retry import Patience

__all__ = ["read_whole"]

log = structlog.get_logger(__name__)


async def read_whole(
    reader: StreamReader, subject: str, *, from_sequence: int
) -> AsyncIterator[StoredMessage]:
    """Yield each message of a subject once; those that a replica lacked come behind others.

    What no replica can read is told, and passed over.

    Raises:
        UnavailableError: the broker does not answer, or all replicas that answer lag behind.
    """
    read: set[int] = set()
    # What lies before is counted as well.
    before: set[int] = set()
    patience = Patience(READ_PATIENCE_S)
    while True:
        counted = await reader.counted(subject)
        stored = (counted.subjects or {}).get(subject, 0)
        newest_read = max(read, default=0)
        if stored:
            async for message in reader.read_from_any(subject, from_sequence=from_sequence):
                if message.sequence in read:
                    continue
                read.add(message.sequence)
                if message.sequence < newest_read:
                    log.warning(
                        "a replica cannot read a message that others can: rebuild it",
                        subject=subject,
                        sequence=message.sequence,
                    )
                yield message
        missing = stored - _known(counted.last_seq, read)
        if missing > 0 and from_sequence > 1:
            async with aclosing(reader.read_from_any(subject, from_sequence=1)) as older:
                async for message in older:
                    if message.sequence >= from_sequence:
                        break
                    before.add(message.sequence)
            missing -= _known(counted.last_seq, before)
        if missing <= 0:
            return
        try:
            await patience.wait(UnavailableError(f"read of {subject!r}: replicas lack {missing}"))
        except UnavailableError:
            newest = await reader.last_from_leader(subject)
            if newest is not None and newest.sequence not in read | before:
                raise
            log.error(  # noqa: TRY400 - told, not traced
                "no replica can read some messages, see `shem oplog verify`",
                subject=subject,
                missing=missing,
            )
            return


def _known(end: int, sequences: set[int]) -> int:
    """Return how many of them a count includes that was taken at sequence `end`."""
    return sum(sequence <= end for sequence in sequences)
