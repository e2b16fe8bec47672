"""Invoking durably and waiting for the outcome, through lost results and broker restarts."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Final, final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from broker import subjects
from broker.errors import BrokerError, TooLargeError
from broker.errors import RetryableError as BrokerRetryableError
from broker.ports import Journal, Note
from shem.client.mail import Mail
from shem.errors import (
    BadRequestError,
    InternalError,
    InvocationError,
    ResultTimeoutError,
    ShemError,
    UnavailableError,
    from_kind,
)
from shem.telemetry import enqueue

__all__ = ["Failure", "Invocations", "Outcome", "broker_error", "decode_outcome"]

# A result can only be lost with a connection, ours or the executor's: asking again is rare.
ASK_AGAIN_S: Final = 5.0
ASK_AGAIN_MAX_S: Final = 60.0
PUBLISH_PAUSE_S: Final = 0.1


class Failure(Struct, frozen=True):
    """Why an invocation failed: `kind` for programs, `message` for people."""

    kind: str
    message: str


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an invocation ended: `result` (as JSON) and `wave`, or `error`; neither: no result."""

    key: str | None = None
    function: str | None = None
    result: Raw | UnsetType = UNSET
    wave: str | None = None
    error: Failure | None = None

    def check(self) -> None:
        """Raise if the outcome is an error.

        Raises:
            ShemError: the class tells by its kind.
        """
        if self.error is not None:
            raise from_kind(
                self.error.kind, self.error.message, key=self.key, default=InvocationError
            )

    @property
    def value(self) -> object:
        """The result as Python value, None for a function without result; raises as `check`."""
        self.check()
        return None if self.result is UNSET else msgspec.json.decode(self.result)


_decoder = msgspec.json.Decoder(Outcome)


def decode_outcome(note: Note) -> Outcome:
    """Decode a result message.

    Raises:
        InternalError: it is none.
    """
    try:
        return _decoder.decode(note.data)
    except msgspec.DecodeError as error:
        raise InternalError(f"malformed outcome on {note.subject}: {error}") from error


def broker_error(error: BrokerError, *, key: str | None = None) -> ShemError:
    """Return the public error for one of the broker."""
    match error:
        case TooLargeError():
            return BadRequestError(str(error), kind="too-large", key=key)
        case BrokerRetryableError():
            return UnavailableError(str(error), kind="unavailable", key=key)
        case _:
            return InternalError(f"{type(error).__name__}: {error}", key=key)


@final
class Invocations:
    """Publishes invocations and hears their outcomes."""

    def __init__(self, journal: Journal, mail: Mail) -> None:
        self._journal = journal
        self._mail = mail
        # Sets our repeated questions apart from those of another client with the same key.
        self._nonce = secrets.token_hex(6)
        self._count = 0

    async def publish(
        self,
        component: str,
        worker: str,
        payload: bytes,
        *,
        key: str,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> None:
        """Return when the invocation is durable.

        Raises:
            BadRequestError: it is too large.
            UnavailableError: the broker did not acknowledge it in time.
        """
        message_id = f"{component}/{worker}:{key}"
        try:
            async with asyncio.timeout(timeout_s):
                with enqueue(component, worker, key, {**headers, "Shem-Key": key}) as all_headers:
                    await self._send(component, worker, payload, message_id, all_headers)
        except TimeoutError as error:
            raise _unacknowledged(timeout_s, key) from error

    async def call(
        self,
        component: str,
        worker: str,
        payload: bytes,
        *,
        key: str,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> Outcome:
        """Publish durably and wait for the outcome; the same key gives the same outcome for ever.

        Raises:
            BadRequestError: it is too large.
            UnavailableError: the broker did not acknowledge it in time.
            ResultTimeoutError: it is durable, but has no outcome yet.
        """
        place = f"{component}/{worker}:{key}"
        durable = False
        try:
            async with asyncio.timeout(timeout_s):
                with self._mail.letter() as letter:
                    ours = {**headers, "Shem-Key": key, "Shem-Result-To": letter.reply_to}
                    with enqueue(component, worker, key, ours) as all_headers:
                        known = await self._send(component, worker, payload, place, all_headers)
                    durable = True
                    # A duplicate of somebody else's message does not know our inbox.
                    note = None if known else await letter.wait(ASK_AGAIN_S)
                    pause_s = ASK_AGAIN_S
                    while note is None:
                        self._count += 1
                        again = f"{place}#{self._nonce}.{self._count}"
                        await self._send(component, worker, payload, again, all_headers)
                        note = await letter.wait(pause_s)
                        pause_s = min(pause_s * 2, ASK_AGAIN_MAX_S)
                    return decode_outcome(note)
        except TimeoutError as error:
            if durable:
                raise ResultTimeoutError(
                    f"no outcome of {component}/{worker} within {timeout_s:g} s; the invocation is "
                    f"durable: ask again with the key {key!r}",
                    kind="timeout",
                    key=key,
                ) from error
            raise _unacknowledged(timeout_s, key) from error

    async def _send(
        self,
        component: str,
        worker: str,
        payload: bytes,
        message_id: str,
        headers: Mapping[str, str],
    ) -> bool:
        while True:
            try:
                ack = await self._journal.publish(
                    subjects.invoke(component, worker),
                    payload,
                    message_id=message_id,
                    headers=headers,
                )
            except BrokerRetryableError:
                # The same id again cannot be stored twice; the caller's time limit ends this.
                await asyncio.sleep(PUBLISH_PAUSE_S)
            except BrokerError as error:
                raise broker_error(error, key=headers.get("Shem-Key")) from error
            else:
                return ack.duplicate


def _unacknowledged(timeout_s: float, key: str) -> UnavailableError:
    return UnavailableError(
        f"the broker did not acknowledge the invocation within {timeout_s:g} s; "
        f"try again with the key {key!r}",
        kind="unavailable",
        key=key,
    )
