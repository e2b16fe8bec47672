"""Workers that wait for one another: found by surveys, ended by refusing one request.

A chain of calls that comes back to one of its own callers is refused when it is made. Independent
invocations can still wait for each other: `a` calls `b` while `b` calls `a`, and each one's request
lies in the other's mailbox for ever. A worker that has waited for a while, with requests of other
workers in its mailbox, sends out a *survey*: one message that goes to all the workers it waits for,
and on to those that they wait for, and notes who waits for which requests. It ends at a worker that
can still move, or that has not got a request which somebody waits for there, since its answer is on
the way. One that runs out of places to go has found workers that are caught (`actors.knot_graph`),
and has one of them refuse a request, so that its caller goes on with an error.

Why a survey that took a while tells the truth at its end: say that some worker in it has moved
since it was noted, and take the first one. It was answered by a worker in the survey, which was
asked for that request later, had it, and waited; so it has moved as well, and earlier.

A worker that a survey has met while it could still move sends out one of its own once it waits, so
that the last one to be caught is noticed as quickly as the first. Nothing is recorded of surveys
and nothing waits for them; lost ones are sent again.
"""

import asyncio
from collections.abc import Callable
from typing import Final, final

import msgspec
import structlog
from msgspec import Struct

from actors.identity import WorkerId
from actors.knot_graph import CALLS_MAX, WAITERS_MAX, Place, Wait, Waiter, choose
from actors.ledger import Ledger
from actors.mailbox import Mailbox
from actors.message import Envelope, understand
from actors.services import Services
from broker import subjects
from broker.errors import BrokerError
from oplog.entries import Failure

__all__ = ["FIRST_SURVEY_S", "Knots", "Survey"]

FIRST_SURVEY_S: Final = 0.25
SURVEY_INTERVAL_S_MAX: Final = 8.0

log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode


class Survey(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="survey", tag_field="type"):
    """What goes round. `hops` tells its messages apart.

    `refuse`: it is over, and the receiver refuses the request of that key, which closes `circle`.
    """

    id: str
    hops: int = 0
    waiters: tuple[Waiter, ...] = ()
    """Who was met, and what they wait for."""
    unseen: tuple[Wait, ...] = ()
    """Requests that somebody waits for, which were not looked for yet."""
    queued: tuple[str, ...] = ()
    """Keys of requests that were found waiting in a mailbox, so that they can be refused."""
    refuse: str = ""
    circle: tuple[Place, ...] = ()


@final
class Knots:
    """The knots that one worker may be in. `waits_for` says what it waits for, if nothing else."""

    def __init__(
        self,
        ledger: Ledger,
        mailbox: Mailbox,
        services: Services,
        *,
        waits_for: Callable[[], tuple[int, ...]],
    ) -> None:
        self._ledger = ledger
        self._mailbox = mailbox
        self._services = services
        self._waits_for = waits_for
        self._timer: asyncio.TimerHandle | None = None
        self._interval_s = FIRST_SURVEY_S
        self._indices: tuple[int, ...] = ()
        # The invocation in which a survey met this worker.
        self._met: int | None = None
        self._sent = 0

    def blocked(self) -> None:
        """The worker waits for nothing but answers now."""
        indices = self._waits_for()
        if indices != self._indices:
            self._indices, self._interval_s = indices, FIRST_SURVEY_S
            self.close()
        if indices and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval_s, self._look)

    def close(self) -> None:
        """Send out no more surveys."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if not self._indices or self._waits_for() != self._indices:
            return
        self._interval_s = min(2 * self._interval_s, SURVEY_INTERVAL_S_MAX)
        self.blocked()
        self.look()

    def look(self) -> None:
        """Send out a survey, if the worker waits for calls alone and others may wait for it."""
        me = self._as_waiter()
        if me is None or not (self._was_met() or self._has_callers()):
            return
        self._sent = self._sent + 1 if self._sent else self._services.time.wall_ns()
        survey = Survey(id=f"{self._ledger.outbox.incarnation}:{self._sent}")
        self._send_on(_noted(survey, me))

    def received(self, survey: Survey) -> None:
        """Note what this worker waits for, and pass the survey on; or do what it has come to."""
        if survey.refuse:
            self._refuse(survey)
            return
        mine = [wait for wait in survey.unseen if wait.place == self._place]
        envelopes = {wait.key: self._queued(wait.key) for wait in mine}
        running = self._ledger.running
        if not all(
            envelope is not None or (running is not None and running.idempotency_key == key)
            for key, envelope in envelopes.items()
        ):
            # Answered, or not here yet: its caller can still move.
            return
        me = self._as_waiter()
        if me is None:
            self._met = None if running is None else running.sequence
            return
        met_before = next((each for each in survey.waiters if each.place == me.place), None)
        if met_before is not None and met_before != me:
            return
        survey = msgspec.structs.replace(
            survey,
            hops=survey.hops + 1,
            unseen=tuple([wait for wait in survey.unseen if wait.place != self._place]),
            queued=(*survey.queued, *(key for key, found in envelopes.items() if found)),
        )
        self._send_on(survey if met_before is not None else _noted(survey, me))

    @property
    def _place(self) -> Place:
        return self._ledger.id.component, self._ledger.id.worker

    def _as_waiter(self) -> Waiter | None:
        """Return what the worker waits for; None if something else may end its wait."""
        calls: list[Wait] = []
        for index in self._waits_for():
            call = self._ledger.waits.call(index)
            if call is None or call.deadline_ms is not None:
                return None
            calls.append(Wait(call.component, call.worker, call.key))
        return Waiter(*self._place, tuple(calls)) if calls else None

    def _was_met(self) -> bool:
        running = self._ledger.running
        return running is not None and running.sequence == self._met

    def _has_callers(self) -> bool:
        return any(understand(each).envelope.caller for each in self._mailbox.waiting())

    def _send_on(self, survey: Survey) -> None:
        calls = sum(len(each.calls) for each in survey.waiters)
        if len(survey.waiters) > WAITERS_MAX or calls > CALLS_MAX:
            log.info("too many workers wait for one another to look at all", calls=calls)
        elif survey.unseen:
            self._send(survey.unseen[0].place, survey)
        else:
            self._found(survey)

    def _found(self, survey: Survey) -> None:
        """All whom the survey has met are caught."""
        chosen = choose(survey.waiters, survey.queued)
        if chosen is None:
            return
        refuse, circle = chosen.wait.key, chosen.circle
        order = msgspec.structs.replace(survey, refuse=refuse, circle=circle)
        if chosen.wait.place == self._place:
            self._refuse(order)
        else:
            self._send(chosen.wait.place, order)

    def _refuse(self, order: Survey) -> None:
        envelope = self._queued(order.refuse)
        ledger = self._ledger
        if envelope is None or envelope.key in ledger.keys or ledger.runs(envelope.key):
            return
        if self._as_waiter() not in order.waiters:
            # It has moved, perhaps since somebody else was refused.
            return
        circle = " → ".join([str(WorkerId(*place)) for place in order.circle])
        log.warning("workers wait for one another", circle=circle)
        failure = Failure(kind="deadlock", message=f"the call would wait for ever: {circle}")
        self._ledger.reject(envelope, failure, consumed=False)

    def _queued(self, key: str) -> Envelope | None:
        found = (understand(each).envelope for each in self._mailbox.waiting())
        return next((each for each in found if each.key == key), None)

    def _send(self, target: Place, survey: Survey) -> None:
        self._services.spawn(self._publish(target, survey))

    async def _publish(self, target: Place, survey: Survey) -> None:
        message_id = f"survey:{survey.id}:{survey.hops}:{survey.refuse}"
        try:
            await self._services.broker.journal.publish(
                subjects.reply(*target), _encode(survey), message_id=message_id
            )
        except BrokerError as error:
            log.info("cannot send a survey now", error=str(error))


def _noted(survey: Survey, waiter: Waiter) -> Survey:
    return msgspec.structs.replace(
        survey,
        waiters=(*survey.waiters, waiter),
        unseen=(*survey.unseen, *waiter.calls),
    )
