"""Watching a bucket: an ephemeral consumer that is renewed whenever it may have missed something.

A renewed watch reads all present keys again and compares with what it has announced, so a deletion
is announced even when its marker has expired meanwhile.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, final

import structlog
from msgspec import Struct

from broker.errors import BrokerError, RetryableError
from broker.jetstream.ack import ack_token
from broker.jetstream.api import JetStreamApi
from broker.jetstream.keys import decode_key
from broker.jetstream.limits import WATCH_HEARTBEAT_S
from broker.jetstream.retry import Backoff
from broker.jetstream.wire import WireMessage, WireSubscription
from broker.ports import BucketEntry

__all__ = ["BucketWatch"]

_NS_PER_S: Final = 1_000_000_000
_CONTROL: Final = 100
_MISSED_HEARTBEATS: Final = 2.5

log = structlog.get_logger(__name__)


class _Created(Struct, frozen=True):
    name: str
    num_pending: int = 0


@final
class BucketWatch:
    """One watch of one bucket."""

    def __init__(
        self,
        api: JetStreamApi,
        *,
        stream: str,
        subject_prefix: str,
        key_prefix: str,
        callback: Callable[[BucketEntry], None],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        is_deletion: Callable[[Mapping[str, str]], bool],
    ) -> None:
        self._api = api
        self._stream = stream
        self._subject_prefix = subject_prefix
        self._key_prefix = key_prefix
        self._callback = callback
        self._spawn = spawn
        self._is_deletion = is_deletion
        self._announced: dict[str, int] = {}
        self._present: set[str] = set()
        self._left = 0
        self._next_order = 1
        self._subscription: WireSubscription | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._renewing = False
        self._closed = False
        self._closers: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Subscribe and create the consumer."""
        self._drop()
        self._present = set()
        self._next_order = 1
        # Nothing is complete before the consumer's answer says how much is to come.
        self._left = -1
        inbox = self._api.wire.new_inbox()
        self._subscription = await self._api.wire.subscribe(inbox, self._receive)
        config = {
            "name": f"watch-{secrets.token_hex(8)}",
            "deliver_subject": inbox,
            "deliver_policy": "last_per_subject",
            "ack_policy": "none",
            "filter_subject": f"{self._subject_prefix}>",
            "flow_control": True,
            "idle_heartbeat": int(WATCH_HEARTBEAT_S * _NS_PER_S),
            "inactive_threshold": int(4 * WATCH_HEARTBEAT_S * _NS_PER_S),
            "mem_storage": True,
            "num_replicas": 1,
        }
        created = await self._api.call(
            f"CONSUMER.CREATE.{self._stream}.{config['name']}",
            {"stream_name": self._stream, "config": config},
            _Created,
        )
        self._left += created.num_pending + 1
        self._complete_if_read()
        self._watch_silence()

    def renew(self) -> None:
        """Start afresh: something may have been missed."""
        if not self._closed and not self._renewing:
            self._renewing = True
            self._spawn(self._renew())

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call back when the watch is closed."""
        self._closers.append(callback)

    async def close(self) -> None:
        """End the watch; the server forgets its consumer by itself."""
        self._closed = True
        self._drop()
        for closer in self._closers:
            closer()

    async def _renew(self) -> None:
        backoff = Backoff()
        try:
            while not self._closed:
                try:
                    await self.start()
                except RetryableError as error:
                    log.debug("watch is renewed again", stream=self._stream, reason=str(error))
                    await backoff.wait()
                except BrokerError:
                    log.exception("watch ended", stream=self._stream)
                    return
                else:
                    return
        finally:
            self._renewing = False

    def _drop(self) -> None:
        if self._subscription is not None:
            self._subscription.unsubscribe()
            self._subscription = None
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None

    def _watch_silence(self) -> None:
        if self._closed:
            return
        if self._watchdog is not None:
            self._watchdog.cancel()
        loop = asyncio.get_running_loop()
        self._watchdog = loop.call_later(_MISSED_HEARTBEATS * WATCH_HEARTBEAT_S, self.renew)

    def _receive(self, message: WireMessage) -> None:
        if self._closed:
            return
        self._watch_silence()
        if message.status:
            if message.status == _CONTROL:
                self._answer_control(message)
            return
        token = ack_token(message.reply)
        if token.order != self._next_order:
            self.renew()
            return
        self._next_order += 1
        self._announce(message, token.sequence)
        self._left -= 1
        self._complete_if_read()

    def _answer_control(self, message: WireMessage) -> None:
        if message.reply:
            self._api.wire.publish(message.reply, b"")
            return
        stalled = message.headers.get("Nats-Consumer-Stalled")
        if stalled:
            self._api.wire.publish(stalled, b"")
        last = message.headers.get("Nats-Last-Consumer")
        if last is not None and int(last) >= self._next_order:
            self.renew()

    def _announce(self, message: WireMessage, revision: int) -> None:
        token = message.subject.removeprefix(self._subject_prefix)
        try:
            key = decode_key(token)
        except ValueError:
            log.warning("a bucket holds a key that is not ours", stream=self._stream, key=token)
            return
        if not key.startswith(self._key_prefix):
            return
        if self._is_deletion(message.headers):
            self._present.discard(key)
            if self._announced.pop(key, None) is not None:
                self._callback(BucketEntry(key=key, data=None, revision=revision))
            return
        self._present.add(key)
        if self._announced.get(key) != revision:
            self._announced[key] = revision
            self._callback(BucketEntry(key=key, data=message.data, revision=revision))

    def _complete_if_read(self) -> None:
        if self._left != 0:
            return
        for key in [key for key in self._announced if key not in self._present]:
            revision = self._announced.pop(key)
            self._callback(BucketEntry(key=key, data=None, revision=revision + 1))
