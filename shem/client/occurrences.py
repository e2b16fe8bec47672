"""Occurrences of a recurring invocation that have left their schedule and wait in the mailbox.

Whoever takes one schedules the next one, after its commit, unless it finds a word against that in
the schedule's place. So a word is left there as long as there is an occurrence to heed it: without
one it would lie there for ever.
"""

import asyncio

from msgspec import Struct

from actors.recurrence import rule_in
from broker import subjects
from broker.ports import Broker, Message
from oplog.errors import CorruptLogError
from oplog.headers import peek

__all__ = ["Occurrence", "newest_occurrence"]

# More do not wait: each is scheduled when the one before it is taken.
_LOOKED_THROUGH_MAX = 10_000


class Occurrence(Struct, frozen=True):
    """The newest one in the mailbox. `is_taken`: its successor is scheduled, or about to be."""

    message: Message
    due_ms: int
    is_taken: bool


async def newest_occurrence(
    broker: Broker, component: str, worker: str, id_: str
) -> Occurrence | None:
    """Return the newest occurrence of a rule that the mailbox still holds.

    Raises:
        BrokerError: the broker does not answer.
    """
    subject = subjects.mailbox(component, worker, broker.partitions, "invoke")
    found: tuple[Message, int] | None = None
    count = 0
    async for message in broker.journal.read(subject):
        rule = rule_in(message.headers, message.data)
        if rule is not None and rule.id == id_:
            found = message, rule.due_ms
        count += 1
        if count >= _LOOKED_THROUGH_MAX:
            break
        if count % 500 == 0:
            await asyncio.sleep(0)
    if found is None:
        return None
    message, due_ms = found
    return Occurrence(message, due_ms, message.sequence <= await _taken(broker, component, worker))


async def _taken(broker: Broker, component: str, worker: str) -> int:
    """Return up to where a worker has taken invocations out of its mailbox."""
    subject = subjects.log(component, worker, broker.partitions)
    last = await broker.journal.last(subject, leader=True)
    if last is None:
        return 0
    try:
        return peek(last.headers).marks.invoked
    except CorruptLogError:
        # Whoever repairs the log begins with what waits.
        return 0
