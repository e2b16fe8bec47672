"""What is to be invoked later: listed, cancelled, paused, and made to come again and again.

A schedule is a message on `shem.sched.<component>.<worker>.<id>`, which the broker sends on time.
What comes again is scheduled anew each time by the executor that takes it; what is left there in
the meantime, `cancel` or `pause`, tells it not to.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Iterable
from typing import Final, final

from actors.limits import WAKE_AT_MS_MAX
from actors.recurrence import check_repeat, first, headers_of, rule_in
from broker import subjects
from broker.errors import BrokerError
from broker.ports import Broker, Message
from oplog.entries import Repeat
from shem.client.acknowledged import acknowledged
from shem.client.invocations import broker_error
from shem.client.lifetime import Lifetime
from shem.client.occurrences import Occurrence, newest_occurrence
from shem.errors import BadRequestError
from shem.records import Scheduled

__all__ = ["Schedules"]

READS_AT_ONCE_MAX: Final = 32
CALL_SHOWN_MAX: Final = 200

# Before the key of what is scheduled once, in its subject.
_KEY: Final = "key-"
_DUE: Final = re.compile(r"[0-9]{1,15}")


@final
class Schedules:
    """The schedules of workers."""

    def __init__(self, broker: Broker, lifetime: Lifetime | None = None) -> None:
        self._connection = broker
        self._lifetime = lifetime or Lifetime()

    @property
    def _broker(self) -> Broker:
        self._lifetime.check()
        return self._connection

    async def pending(self, component: str, worker: str | None = None) -> list[Scheduled]:
        """Return what is to be invoked on one worker, or on all of a component, earliest first.

        Raises:
            UnavailableError: the broker does not answer.
        """
        pattern = subjects.schedule(component, worker, "*")
        try:
            names = await self._broker.journal.subjects(pattern)
            found = await self._read(sorted(names))
        except BrokerError as error:
            raise broker_error(error) from error
        return sorted(found, key=lambda each: (each.at_ms or 0, each.worker, each.id))

    async def repeat(self, component: str, worker: str, rule: Repeat) -> Scheduled:
        """Have `rule.call` invoked again and again; the same id again replaces the rule.

        Raises:
            BadRequestError: the rule cannot be followed.
            UnavailableError: the broker does not answer.
        """
        try:
            check_repeat(rule)
        except ValueError as error:
            raise BadRequestError(str(error), kind="bad-request") from error
        if rule.id.startswith(_KEY):
            # The place of what is scheduled with a key.
            text = f"an id does not begin with {_KEY!r}, got {rule.id!r}"
            raise BadRequestError(text, kind="bad-request")
        return await self._store(component, worker, first(rule, _now_ms()))

    async def cancel(self, component: str, worker: str, id_: str) -> bool:
        """Take a schedule back; False if there is none of that id or key."""
        return await self._order(component, worker, id_, "cancel")

    async def pause(self, component: str, worker: str, id_: str) -> bool:
        """Let a recurring one rest until `resume`; False if there is none of that id."""
        return await self._order(component, worker, id_, "pause")

    async def resume(self, component: str, worker: str, id_: str) -> Scheduled | None:
        """Go on with a paused one, from now or from where it was, as its rule says."""
        subject = subjects.schedule(component, worker, subjects.encode_token(id_))
        message = await self._last(subject)
        if message is None or message.headers.get("Shem-Hold") != "pause":
            return None
        rule = _rule(message)
        if rule is None:
            return None
        if rule.catch_up != "all":
            rule = first(rule, _now_ms())
        await self._purge(subject)
        return await self._store(component, worker, rule)

    async def _store(self, component: str, worker: str, rule: Repeat) -> Scheduled:
        subject = subjects.schedule(component, worker, subjects.encode_token(rule.id))
        try:
            # Whatever was left there for the rule before is void.
            await self._broker.journal.purge(subject)
        except BrokerError as error:
            raise broker_error(error) from error
        scheduling = self._broker.journal.schedule(
            subject,
            rule.call.encode(),
            target=subjects.invoke(component, worker),
            at_ns=rule.due_ms * 1_000_000,
            message_id=f"{component}/{worker}:{rule.id}@{secrets.token_hex(6)}",
            headers=headers_of(rule),
        )
        await acknowledged(scheduling, f"the schedule {rule.id!r}")
        message = Message(subject, 0, rule.call.encode(), headers_of(rule))
        return _scheduled(message)

    async def _order(self, component: str, worker: str, id_: str, order: str) -> bool:
        token = subjects.encode_token(id_)
        for name in (token, subjects.encode_token(f"{_KEY}{id_}")):
            subject = subjects.schedule(component, worker, name)
            message = await self._last(subject)
            if message is None or message.headers.get("Shem-Hold") == "cancel":
                continue
            rule = _rule(message)
            if rule is None and order == "pause":
                return False
            await self._purge(subject)
            if rule is None:
                return True
            # It may have fired in this moment, and whoever takes it schedules the next one.
            newest = await self._newest(component, worker, rule.id)
            if order == "pause" or (newest is not None and newest.due_ms >= rule.due_ms):
                await self._leave(subject, message, order)
            return True
        return await self._order_waiting(component, worker, id_, order)

    async def _order_waiting(self, component: str, worker: str, id_: str, order: str) -> bool:
        """Stop what comes again, and of which nothing is scheduled while an occurrence waits."""
        subject = subjects.schedule(component, worker, subjects.encode_token(id_))
        if await self._last(subject) is not None:
            # It is cancelled by now.
            return False
        newest = await self._newest(component, worker, id_)
        if newest is None:
            return False
        if not newest.is_taken or order == "cancel":
            # Of one that has just been taken, the next may be about to be scheduled.
            await self._leave(subject, newest.message, order)
        return not newest.is_taken

    async def _newest(self, component: str, worker: str, id_: str) -> Occurrence | None:
        try:
            return await newest_occurrence(self._broker, component, worker, id_)
        except BrokerError as error:
            raise broker_error(error) from error

    async def _leave(self, subject: str, message: Message, order: str) -> None:
        kept = {name: value for name, value in message.headers.items() if name.startswith("Shem-")}
        leaving = self._broker.journal.publish(
            subject,
            message.data,
            message_id=f"{order}-{secrets.token_hex(8)}",
            headers={**kept, "Shem-Hold": order},
        )
        await acknowledged(leaving, f"the order to {order} {subject!r}")

    async def _last(self, subject: str) -> Message | None:
        try:
            return await self._broker.journal.last(subject, leader=True)
        except BrokerError as error:
            raise broker_error(error) from error

    async def _purge(self, subject: str) -> None:
        try:
            await self._broker.journal.purge(subject)
        except BrokerError as error:
            raise broker_error(error) from error

    async def _read(self, names: Iterable[str]) -> list[Scheduled]:
        free = asyncio.Semaphore(READS_AT_ONCE_MAX)

        async def one(subject: str) -> Message | None:
            async with free:
                return await self._broker.journal.last(subject)

        messages = await asyncio.gather(*(one(each) for each in names))
        return [
            _scheduled(each)
            for each in messages
            if each is not None and each.headers.get("Shem-Hold") != "cancel" and not _is_wake(each)
        ]


def _is_wake(message: Message) -> bool:
    return message.data.startswith(b"{") and b'"type":"wake"' in message.data


def _rule(message: Message) -> Repeat | None:
    # Anybody who may schedule may write anything: it is refused when it is due, not here.
    return rule_in(message.headers, message.data)


def _name(token: str) -> str:
    try:
        return subjects.decode_token(token)
    except ValueError:
        return token


def _due_ms(message: Message) -> int | None:
    text = message.headers.get("Shem-Due", "")
    due_ms = int(text) if _DUE.fullmatch(text) else None
    return None if due_ms is None or due_ms > WAKE_AT_MS_MAX else due_ms


def _scheduled(message: Message) -> Scheduled:
    _, _, component, worker, id_ = message.subject.split(".")
    rule = _rule(message)
    return Scheduled(
        component=_name(component),
        worker=_name(worker),
        id=_name(id_),
        key=message.headers.get("Shem-Key"),
        call=message.data.decode(errors="replace")[:CALL_SHOWN_MAX],
        at_ms=_due_ms(message),
        cron=None if rule is None else rule.cron,
        every_ms=None if rule is None else rule.every_ms,
        zone=None if rule is None else rule.zone,
        catch_up=None if rule is None else rule.catch_up,
        paused=message.headers.get("Shem-Hold") == "pause",
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
