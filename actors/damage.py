"""What callers hear of a worker whose log nobody can read.

It is no outcome: nothing is recorded, the invocations stay in the queue and run once the log is
mended, so that a key still has one outcome. Hence only those are told who say, by a header of their
invocation, that they know that; to everybody else what comes to their inbox is the outcome.
"""

from typing import Final

import msgspec

from actors.identity import Address, WorkerId
from actors.message import understand
from actors.outcome import Outcome
from broker.ports import Broker
from oplog.entries import Failure
from oplog.errors import CorruptLogError, UnknownEntryError, UnknownVersionError

__all__ = ["HEARS", "HEARS_DAMAGE", "is_damage", "tell_waiting"]

HEARS: Final = "Shem-Hears"
HEARS_DAMAGE: Final = "log-damaged"


def is_damage(error: CorruptLogError) -> bool:
    """Say whether nobody can read the log: what a newer release wrote, a newer executor can."""
    return not isinstance(error, UnknownVersionError | UnknownEntryError)


async def tell_waiting(
    broker: Broker, worker_id: WorkerId, address: Address, error: CorruptLogError, *, behind: int
) -> int:
    """Tell whoever waits for an invocation behind a sequence; return the last one's.

    Raises:
        BrokerError: it does not answer.
    """
    failure = Failure(
        kind=HEARS_DAMAGE,
        message=f"the log of {worker_id} is damaged: {error}; the invocation waits until that is "
        "mended (`shem oplog verify`), ask again with the same key then",
    )
    mailbox = address.mailbox_invoke
    async for message in broker.journal.read(mailbox, from_sequence=behind + 1):
        behind = message.sequence
        if message.headers.get(HEARS) != HEARS_DAMAGE:
            continue
        envelope = understand(message).envelope
        if envelope.result_to is not None:
            data = msgspec.json.encode(Outcome(key=envelope.key, error=failure))
            broker.signals.publish(envelope.result_to, data)
    return behind
