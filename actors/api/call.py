"""`shem.call.<component>.<worker>`: a request that is answered with the outcome of an invocation.

The invocation is published durably with the requester's inbox as the place for its outcome; the
worker's executor answers there itself. Nothing is kept here: a requester that heard nothing asks
again with the same key.
"""

import asyncio
import secrets
from typing import Final, final

import msgspec

from actors.api.discovery import Endpoint
from actors.api.routes import UNAVAILABLE, fail
from actors.damage import HEARS, HEARS_DAMAGE
from broker.errors import BrokerError, RetryableError, TooLargeError
from broker.ports import Journal, Request, Signals, Subscription

__all__ = ["CallService"]

CALLS_AT_ONCE_MAX: Final = 4_096
GROUP: Final = "shem-call"
PATTERN: Final = "shem.call.*.*"
RESULT_TO: Final = "Shem-Result-To"
KEY: Final = "Shem-Key"
FORWARDED: Final = (KEY, "Shem-Env", "Shem-Args", "Shem-Attributes", "traceparent", "tracestate")


@final
class CallService:
    """Turns requests into durable invocations."""

    def __init__(self, journal: Journal, signals: Signals) -> None:
        self._journal = journal
        self._signals = signals
        self._nonce = secrets.token_hex(8)
        self._count = 0
        self._subscription: Subscription | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def endpoints(self) -> list[Endpoint]:
        """Return what is served as NATS describes it."""
        return [Endpoint("call", PATTERN, GROUP)]

    async def start(self) -> None:
        """Take requests from now on."""
        self._subscription = await self._signals.serve(PATTERN, self._on_request, group=GROUP)

    async def stop(self) -> None:
        """Take no more, publish what was taken."""
        if self._subscription is not None:
            await self._subscription.close()
            self._subscription = None
        await asyncio.gather(*self._tasks)

    def _on_request(self, request: Request) -> None:
        if len(self._tasks) >= CALLS_AT_ONCE_MAX:
            self._refuse(request, UNAVAILABLE, f"{CALLS_AT_ONCE_MAX} calls wait for the broker")
            return
        task = asyncio.create_task(self._publish(request), name=request.subject)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _publish(self, request: Request) -> None:
        headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
        headers[RESULT_TO] = request.reply_to
        headers[HEARS] = HEARS_DAMAGE
        self._count += 1
        target = request.subject.replace("shem.call.", "shem.invoke.", 1)
        place = target.removeprefix("shem.invoke.").replace(".", "/")
        # Unique for each request: one that asks again for a lost outcome must not be taken for a
        # copy of the first, which knew another inbox.
        message_id = f"{place}:{headers.get(KEY, '')}#{self._nonce}-{self._count}"
        try:
            await self._journal.publish(
                target, request.data, message_id=message_id, headers=headers
            )
        except TooLargeError as error:
            self._refuse(request, "too-large", str(error))
        except RetryableError as error:
            self._refuse(request, UNAVAILABLE, str(error))
        except BrokerError as error:
            self._refuse(request, "internal", str(error))

    def _refuse(self, request: Request, kind: str, message: str) -> None:
        failure = msgspec.json.decode(fail(kind, message))
        outcome = {"key": request.headers.get(KEY), **failure}
        self._signals.publish(request.reply_to, msgspec.json.encode(outcome))
