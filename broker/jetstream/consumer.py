"""The mailbox deliveries of one partition: a pull consumer pinned to one client.

The pin gives liveness: the server delivers to one client until that is silent for `PIN_TIMEOUT_S`.
It gives no safety; the fence of the log does. Rules that were paid for:

* One wildcard inbox lives as long as the connection. Unsubscribing the inbox of an outstanding
  pull would lose what is on its way until the acknowledgement time-out.
* Taking over means RESET, which delivers everything unacknowledged again at once and in order;
  otherwise the previous owner's deliveries would wait for the acknowledgement time-out.
* A pull that bears no pin asks for one message only. Left waiting with room for more, it would
  give a client that was unpinned the pin again. A pull with a wrong pin is refused, but not
  before there is a message to deliver.
* After a reconnection, a change of the consumer's leader or a silence of ours the pin may be gone
  while nobody else took it; only another client's pin or waiting pull means that the partition is
  lost.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from enum import Enum, auto
from typing import Any, Final, TypeVar, final

import msgspec
import structlog
from msgspec import Struct

from broker.errors import BrokerError, RetryableError
from broker.jetstream.ack import ack_token
from broker.jetstream.api import CONSUMER_NOT_FOUND, ApiFailure, JetStreamApi
from broker.jetstream.headers import is_forged, user_headers
from broker.jetstream.limits import (
    ACK_WAIT_S,
    API_RETRIED_TIMEOUT_S,
    DELIVERIES_UNACKNOWLEDGED_MAX,
    PIN_TIMEOUT_S,
    PULL_BATCH,
    PULL_EXPIRES_S,
    PULL_SILENCE_MAX_S,
    UNPINNED_OWNER_WAIT_MAX_S,
)
from broker.jetstream.retry import Backoff
from broker.jetstream.wire import WireMessage, WireSubscription
from broker.layout import partition_filter
from broker.ports import Delivery, Message

__all__ = ["JetStreamConsumer"]

T = TypeVar("T")

_GROUP: Final = "owner"
_PIN: Final = "Nats-Pin-Id"
_NS_PER_S: Final = 1_000_000_000
_ACQUIRE_POLL_S: Final = 0.2
_RESUME_DELAY_S: Final = 0.05
_LOOKS_AFTER_REFUSAL: Final = 5
_LOOK_DELAY_S: Final = 0.1

_HEARTBEAT: Final = 100
_PIN_MISMATCH: Final = 423
_CONFLICT: Final = 409
_NO_RESPONDERS: Final = 503

log = structlog.get_logger(__name__)


class _PriorityGroup(Struct, frozen=True):
    group: str
    pinned_client_id: str | None = None


class _ConsumerInfo(Struct, frozen=True):
    num_waiting: int = 0
    priority_groups: tuple[_PriorityGroup, ...] | None = None

    @property
    def pin(self) -> str | None:
        for group in self.priority_groups or ():
            if group.pinned_client_id:
                return group.pinned_client_id
        return None


class _Anything(Struct, frozen=True):
    pass


class _State(Enum):
    IDLE = auto()
    OWNED = auto()


@final
class JetStreamConsumer:
    """One client's view of one partition."""

    def __init__(
        self,
        api: JetStreamApi,
        stream: str,
        partition: int,
        *,
        on_delivery: Callable[[Delivery], None],
        on_lost: Callable[[], None],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._api = api
        self._wire = api.wire
        self._partition = partition
        self._durable = f"P{partition}"
        self._stream = stream
        self._name = f"{stream}.{self._durable}"
        self._on_delivery = on_delivery
        self._on_lost = on_lost
        self._spawn = spawn
        self._state = _State.IDLE
        self._pin: str | None = None
        self._subscription: WireSubscription | None = None
        self._inbox = ""
        self._pull_number = 0
        self._received = 0
        self._batch = 1
        self._reset_at = 0.0
        self._watchdog: asyncio.TimerHandle | None = None
        self._resuming: asyncio.Task[None] | None = None
        # The consumer's own number of the last delivery; 0: its count begins anew.
        self._order = 0

    async def acquire(self, *, owner_is_dead: bool) -> None:
        """Take the partition; wait while a living owner holds it."""
        backoff = Backoff(first_s=_ACQUIRE_POLL_S, max_s=_ACQUIRE_POLL_S)
        if self._subscription is None:
            self._inbox = self._wire.new_inbox()
            self._subscription = await self._wire.subscribe(f"{self._inbox}.*", self._receive)
        while True:
            try:
                info = await self._info()
                if owner_is_dead:
                    await self._unpin()
                if owner_is_dead or self._is_free(info, backoff.attempts):
                    await self._reset()
                    self._state = _State.OWNED
                    self._pull()
                    return
            except RetryableError as error:
                log.debug("acquire goes on", partition=self._partition, reason=str(error))
            await backoff.wait()

    def _is_free(self, info: _ConsumerInfo, polls: int) -> bool:
        if info.pin is not None:
            return info.pin == self._pin
        # An owner without a pin has had no message yet: its waiting pull tells that it lives, for
        # as long as an owner that is to go may take to leave.
        return not info.num_waiting or polls * _ACQUIRE_POLL_S > UNPINNED_OWNER_WAIT_MAX_S

    async def release(self) -> None:
        """Stop deliveries and free the partition for whoever comes next."""
        pin = self._pin
        self.stop()
        info = await self._info()
        if info.pin is not None and info.pin != pin:
            return
        if info.pin is not None:
            await self._unpin()
        await self._reset()

    def stop(self) -> None:
        """Stop deliveries without telling anybody."""
        self._state = _State.IDLE
        self._pin = None
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        # Unsubscribing ends our outstanding pull, so that the next owner sees none waiting. What is
        # on its way comes again to whoever takes over.
        if self._subscription is not None:
            self._subscription.unsubscribe()
            self._subscription = None

    def acknowledge(self, token: str) -> None:
        """Mark a delivery as done."""
        self._wire.publish(token, b"")

    def doubt(self) -> None:
        """Look who holds the partition: go on if it is ours, give it up if it is not."""
        self._resume()

    def link_up(self) -> None:
        """Go on after a reconnection."""
        self._resume()

    def _pull(self) -> None:
        self._pull_number += 1
        self._received = 0
        self._batch = 1 if self._pin is None else PULL_BATCH
        request: dict[str, str | int] = {
            "batch": self._batch,
            "expires": int(PULL_EXPIRES_S * _NS_PER_S),
            "group": _GROUP,
        }
        if self._pin is not None:
            request["id"] = self._pin
        self._wire.publish(
            f"{self._api.prefix}CONSUMER.MSG.NEXT.{self._name}",
            msgspec.json.encode(request),
            reply=f"{self._inbox}.{self._pull_number}",
        )
        self._watch()

    def _watch(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
        loop = asyncio.get_running_loop()
        self._watchdog = loop.call_later(PULL_SILENCE_MAX_S, self._pull_again)

    def _pull_again(self) -> None:
        # A pull ends within its expiry even when nothing comes: silence means that it was lost.
        if self._state is _State.OWNED:
            self._pull()

    def _receive(self, message: WireMessage) -> None:
        if self._state is not _State.OWNED:
            return
        if message.status and not message.reply.startswith("$JS.ACK."):
            self._receive_status(message)
            return
        headers = message.headers
        delivery = self._delivery(message, user_headers(headers))
        pin = headers.get(_PIN)
        if pin is not None and pin != self._pin:
            self._pin = pin
            self._pinned()
        self._received += 1
        if self._received >= self._batch:
            self._pull()
        if is_forged(headers):
            log.warning("forged by a schedule", subject=message.subject)
            self.acknowledge(delivery.token)
        else:
            self._on_delivery(delivery)

    def _pinned(self) -> None:
        # Another client may have been pinned while we waited for the first message; what it was
        # given and did not acknowledge has to come again. The consumer's first delivery since a
        # reset tells that nobody was given anything: the usual case after a takeover in quiet.
        if self._order != 1 and time.monotonic() - self._reset_at > PULL_EXPIRES_S:
            self._spawn(self._reset_again())

    async def _reset_again(self) -> None:
        try:
            await self._reset()
        except RetryableError as error:
            log.debug("reset failed", partition=self._partition, reason=str(error))

    def _receive_status(self, message: WireMessage) -> None:
        status = message.status
        if status == _HEARTBEAT or not message.subject.endswith(f".{self._pull_number}"):
            return
        if status in {_PIN_MISMATCH, _CONFLICT, _NO_RESPONDERS}:
            self._resume(refused=status == _PIN_MISMATCH)
        else:
            self._pull()

    def _resume(self, *, refused: bool = False) -> None:
        if self._state is _State.OWNED and (self._resuming is None or self._resuming.done()):
            self._resuming = self._spawn(self._take_up(refused=refused))

    async def _take_up(self, *, refused: bool) -> None:
        """Pull again, unless somebody else has the pin meanwhile."""
        backoff = Backoff(first_s=_RESUME_DELAY_S)
        while self._state is _State.OWNED:
            try:
                if await self._is_taken(refused=refused):
                    log.info("partition lost: another client is pinned", partition=self._partition)
                    self.stop()
                    self._on_lost()
                    return
                await self._reset()
            except RetryableError as error:
                log.debug("resume goes on", partition=self._partition, reason=str(error))
            except BrokerError:
                log.exception("partition lost", partition=self._partition)
                self.stop()
                self._on_lost()
                return
            else:
                # The owner may have stopped us in the meantime.
                self._pull_again()
                return
            await backoff.wait()

    async def _is_taken(self, *, refused: bool) -> bool:
        """Ask who holds the partition, and learn what our pin is if nobody else does.

        `refused`: the server has dropped our pin and ended our pull. Whoever takes over does that,
        too, a moment before a pull of its own waits or is pinned: so one look does not tell.
        """
        looks_left = _LOOKS_AFTER_REFUSAL if refused else 1
        while True:
            info = await self._info()
            if info.pin not in {None, self._pin} or (refused and info.num_waiting):
                return True
            looks_left -= 1
            if not looks_left:
                self._pin = info.pin
                return False
            await asyncio.sleep(_LOOK_DELAY_S)

    async def _info(self) -> _ConsumerInfo:
        try:
            return await self._ask("INFO", None, _ConsumerInfo)
        except ApiFailure as failure:
            if failure.error.err_code != CONSUMER_NOT_FOUND:
                raise
        config = {
            "durable_name": self._durable,
            "ack_policy": "explicit",
            "ack_wait": int(ACK_WAIT_S * _NS_PER_S),
            "deliver_policy": "all",
            "max_ack_pending": DELIVERIES_UNACKNOWLEDGED_MAX,
            "filter_subject": partition_filter(self._partition),
            "priority_groups": [_GROUP],
            "priority_policy": "pinned_client",
            "priority_timeout": int(PIN_TIMEOUT_S * _NS_PER_S),
        }
        return await self._ask(
            "CREATE", {"stream_name": self._stream, "config": config}, _ConsumerInfo
        )

    async def _reset(self) -> None:
        self._reset_at = time.monotonic()
        self._order = 0
        await self._ask("RESET", {}, _Anything)

    async def _unpin(self) -> None:
        await self._ask("UNPIN", {"group": _GROUP}, _Anything)

    async def _ask(self, operation: str, body: object, answer: type[T]) -> T:
        return await self._api.call(
            f"CONSUMER.{operation}.{self._name}", body, answer, timeout_s=API_RETRIED_TIMEOUT_S
        )

    def _delivery(self, message: WireMessage, shown: Mapping[str, str]) -> Delivery:
        token = ack_token(message.reply)
        # A consumer's new leader does not send again what the old one sent and nobody received,
        # before the acknowledgement time-out: a gap in its count is all that tells.
        missed = token.order not in {1, self._order + 1}
        self._order = token.order
        return Delivery(
            message=Message(
                subject=message.subject,
                sequence=token.sequence,
                data=message.data,
                headers=shown,
                time_ns=token.time_ns,
            ),
            token=message.reply,
            redelivered=token.deliveries > 1,
            missed=missed,
        )
