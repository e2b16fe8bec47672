"""Workers that wait for one another in a circle: found by probes, ended by refusing one request.

A chain of calls that comes back to one of its own callers is refused when it is made. Independent
invocations can still close a circle: `a` calls `b` while `b` calls `a`, and each one's request lies
in the other's mailbox for ever. A worker that has waited for a while for one call, with requests of
other workers in its mailbox, sends a *probe* after its call. Whoever has that request, in its
mailbox or running, and waits for one call itself, sends the probe on. A probe that comes back to
its origin has found a circle: the smallest worker in it that has the request of the one before in
its mailbox refuses that request, so that its caller goes on with an error.

Nothing is recorded of probes and nothing waits for them; lost ones are sent again.
"""

import asyncio
from collections.abc import Callable
from typing import Final, final

import msgspec
import structlog
from msgspec import Struct

from actors.identity import WorkerId
from actors.ledger import Ledger
from actors.mailbox import Mailbox
from actors.message import Envelope, understand
from actors.services import Services
from broker import subjects
from broker.errors import BrokerError
from oplog.entries import Failure, RemoteCall

__all__ = ["FIRST_PROBE_S", "Knots", "Link", "Probe"]

FIRST_PROBE_S: Final = 0.25
PROBE_INTERVAL_S_MAX: Final = 8.0
PATH_MAX: Final = 64

log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode


class Link(Struct, frozen=True):
    """A worker on the way, with the key of the request that the one before waits for.

    `waits`: the request lies in the mailbox, so that it can still be refused.
    """

    component: str
    worker: str
    key: str = ""
    waits: bool = False


class Probe(Struct, frozen=True, kw_only=True, tag="probe", tag_field="type"):
    """What goes round. `index` is what its origin waits for, `key` the request it follows.

    `refuse`: it has been round, and the receiver is to refuse the request `key`.
    """

    id: str
    index: int
    incarnation: str
    key: str
    path: tuple[Link, ...]
    refuse: bool = False


@final
class Knots:
    """The circles that one worker may be in. `waits_for` says what it waits for, if anything."""

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
        self._interval_s = FIRST_PROBE_S
        self._index = 0
        self._sent = 0

    def blocked(self) -> None:
        """The worker waits for nothing but answers now."""
        index, _ = self._blocking_call()
        if index != self._index:
            self._index, self._interval_s = index, FIRST_PROBE_S
            self.close()
        if index and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval_s, self._look)

    def close(self) -> None:
        """Send no more probes."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def received(self, probe: Probe) -> None:
        """Pass a probe on, or end the circle that it has found."""
        if probe.refuse:
            self._refuse(probe)
            return
        index, call = self._blocking_call()
        envelope = self._queued(probe.key)
        running = self._ledger.running
        holds = envelope is not None or (
            running is not None and running.idempotency_key == probe.key
        )
        if call is None or not holds or not probe.path:
            return
        origin = probe.path[0]
        me = Link(*self._me, probe.key, envelope is not None)
        if (origin.component, origin.worker) == self._me:
            if (probe.index, probe.incarnation) == (index, self._ledger.outbox.incarnation):
                self._closed((me, *probe.path[1:]), probe)
        elif len(probe.path) < PATH_MAX:
            onward = msgspec.structs.replace(probe, key=call.key, path=(*probe.path, me))
            self._send((call.component, call.worker), onward)

    @property
    def _me(self) -> tuple[str, str]:
        return self._ledger.id.component, self._ledger.id.worker

    def _look(self) -> None:
        self._timer = None
        index, call = self._blocking_call()
        if call is None or index != self._index:
            return
        self._interval_s = min(2 * self._interval_s, PROBE_INTERVAL_S_MAX)
        self.blocked()
        self.look()

    def look(self) -> None:
        """Send a probe, if the worker waits for one call while others wait for it."""
        index, call = self._blocking_call()
        if call is not None and any(
            understand(each).envelope.caller for each in self._mailbox.waiting()
        ):
            self._sent = self._sent + 1 if self._sent else self._services.time.wall_ns()
            incarnation = self._ledger.outbox.incarnation
            probe = Probe(
                id=f"{incarnation}:{index}:{self._sent}",
                index=index,
                incarnation=incarnation,
                key=call.key,
                path=(Link(*self._me),),
            )
            self._send((call.component, call.worker), probe)

    def _closed(self, circle: tuple[Link, ...], probe: Probe) -> None:
        """All of the circle wait, each for the next: one request in it is refused."""
        refusing = [each for each in circle if each.waits]
        if not refusing:
            return
        chosen = min(refusing, key=lambda each: (each.component, each.worker))
        order = msgspec.structs.replace(probe, key=chosen.key, path=circle, refuse=True)
        if (chosen.component, chosen.worker) == self._me:
            self._refuse(order)
        else:
            self._send((chosen.component, chosen.worker), order)

    def _refuse(self, order: Probe) -> None:
        envelope = self._queued(order.key)
        _, call = self._blocking_call()
        if envelope is None or call is None or envelope.key in self._ledger.keys:
            return
        names = [str(WorkerId(each.component, each.worker)) for each in order.path]
        circle = " → ".join([*names, names[0]])
        log.warning("workers wait for one another", circle=circle)
        failure = Failure(kind="deadlock", message=f"the call would wait for ever: {circle}")
        self._ledger.reject(envelope, failure, consumed=False)

    def _blocking_call(self) -> tuple[int, RemoteCall | None]:
        waits_for = self._waits_for()
        if len(waits_for) != 1:
            return 0, None
        call = self._ledger.waits.call(waits_for[0])
        return (0, None) if call is None else (waits_for[0], call)

    def _queued(self, key: str) -> Envelope | None:
        found = (understand(each).envelope for each in self._mailbox.waiting())
        return next((each for each in found if each.key == key), None)

    def _send(self, target: tuple[str, str], probe: Probe) -> None:
        self._services.spawn(self._publish(target, probe))

    async def _publish(self, target: tuple[str, str], probe: Probe) -> None:
        message_id = f"probe:{probe.id}:{len(probe.path)}:{probe.refuse}"
        try:
            await self._services.broker.journal.publish(
                subjects.reply(*target), _encode(probe), message_id=message_id
            )
        except BrokerError as error:
            log.info("cannot send a probe now", error=str(error))
