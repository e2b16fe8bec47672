"""Invoking durably and waiting for the outcome, through lost results and broker restarts."""

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from typing import Final, final

import msgspec
import structlog
from msgspec import UNSET, Raw, Struct, UnsetType

from actors.damage import HEARS, HEARS_DAMAGE
from actors.enclosed import HEADER, enclosure_prefix
from actors.limits import MESSAGE_BYTES_MAX, PAYLOAD_BYTES_MAX
from broker import subjects
from broker.errors import BrokerError, NotFoundError, TooLargeError
from broker.errors import RetryableError as BrokerRetryableError
from broker.ports import Broker, Note
from shem.client.lifetime import closed_error
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
# Room for the headers of an invocation in a message.
HEADERS_BYTES_MAX: Final = 64 * 1024


log = structlog.get_logger(__name__)


class Failure(Struct, frozen=True):
    """Why an invocation failed: `kind` for programs, `message` for people."""

    kind: str
    message: str


class StoredResult(Struct, frozen=True):
    """Where in the object store a large result lies, and how it is recognized."""

    name: str = msgspec.field(name="$blob")
    size: int
    sha256: str


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an invocation ended: `result` (as JSON) and `wave`, or `error`; neither: no result.

    `result_at`: the result lies in the object store. Calls fetch it; a feed of outcomes does not.
    """

    key: str | None = None
    function: str | None = None
    result: Raw | UnsetType = UNSET
    result_at: StoredResult | None = msgspec.field(default=None, name="result-at")
    wave: str | None = None
    error: Failure | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it is none yet: the log of the worker is damaged, and the invocation waits."""
        return self.error is not None and self.error.kind == HEARS_DAMAGE

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

    def __init__(self, broker: Broker, mail: Mail) -> None:
        self._journal = broker.journal
        self._blobs = broker.blobs
        self._payload_bytes_max = min(
            MESSAGE_BYTES_MAX, broker.payload_bytes_max - HEADERS_BYTES_MAX
        )
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
        self._mail.lifetime.check(key=key)
        message_id = f"{component}/{worker}:{key}"
        try:
            async with asyncio.timeout(timeout_s):
                payload, headers, _ = await self._enclosed(
                    component, worker, payload, key=key, headers=headers
                )
                with enqueue(component, worker, key, {**headers, "Shem-Key": key}) as all_headers:
                    if await self._send(component, worker, payload, message_id, all_headers):
                        # Nothing was stored. The first one may be done, and undone since, or
                        # deleted with its worker; otherwise the key makes this one a repetition.
                        again = self._again(message_id)
                        await self._send(component, worker, payload, again, all_headers)
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
        self._mail.lifetime.check(key=key)
        try:
            async with asyncio.timeout(timeout_s):
                payload, headers, enclosure = await self._enclosed(
                    component, worker, payload, key=key, headers=headers
                )
                with self._mail.letter() as letter:
                    ours = {
                        **headers,
                        "Shem-Key": key,
                        "Shem-Result-To": letter.reply_to,
                        HEARS: HEARS_DAMAGE,
                    }
                    with enqueue(component, worker, key, ours) as all_headers:
                        known = await self._send(component, worker, payload, place, all_headers)
                    durable = True
                    # A duplicate of somebody else's message does not know our inbox.
                    note = None if known else await letter.wait(ASK_AGAIN_S)
                    pause_s = ASK_AGAIN_S
                    while note is None:
                        self._check_open(key, durable=durable)
                        again = self._again(place)
                        await self._send(component, worker, payload, again, all_headers)
                        note = await letter.wait(pause_s)
                        pause_s = min(pause_s * 2, ASK_AGAIN_MAX_S)
                    outcome = decode_outcome(note)
                    if enclosure is not None and not outcome.is_pending:
                        # The worker has it in its log; whoever dies before leaves it behind, until
                        # the worker is deleted.
                        await self._forget(enclosure)
                    return await self._whole(outcome)
        except TimeoutError as error:
            if durable:
                raise ResultTimeoutError(
                    f"no outcome of {component}/{worker} within {timeout_s:g} s; the invocation is "
                    f"durable: ask again with the key {key!r}",
                    kind="timeout",
                    key=key,
                ) from error
            raise _unacknowledged(timeout_s, key) from error

    def _check_open(self, key: str | None, *, durable: bool = False) -> None:
        if self._mail.lifetime.is_over:
            is_taken = "the invocation is durable" if durable else "the invocation may be durable"
            raise closed_error(f"{is_taken}: ask again with the key {key!r}", key=key)

    def _again(self, message_id: str) -> str:
        self._count += 1
        return f"{message_id}#{self._nonce}.{self._count}"

    async def _enclosed(
        self,
        component: str,
        worker: str,
        payload: bytes,
        *,
        key: str,
        headers: Mapping[str, str],
    ) -> tuple[bytes, Mapping[str, str], str | None]:
        """Put a payload that no message carries beside it; return its name there.

        Another content under the same key has another name, and another key has, too: nobody
        removes what somebody else needs.
        """
        if len(payload) <= self._payload_bytes_max:
            return payload, headers, None
        if len(payload) > PAYLOAD_BYTES_MAX:
            text = f"the payload has {len(payload)} bytes, at most {PAYLOAD_BYTES_MAX} are taken"
            raise BadRequestError(text, kind="too-large", key=key)
        sha256 = hashlib.sha256(payload).hexdigest()
        of_key = hashlib.sha256(key.encode()).hexdigest()[:32]
        name = f"{enclosure_prefix(component, worker)}{of_key}-{sha256[:32]}"
        while True:
            try:
                await self._blobs.put(name, payload)
                break
            except BrokerRetryableError:
                # The caller's time limit ends this.
                self._check_open(key)
                await asyncio.sleep(PUBLISH_PAUSE_S)
        told = {"$blob": name, "size": len(payload), "sha256": sha256}
        return b"", {**headers, HEADER: msgspec.json.encode(told).decode()}, name

    async def _whole(self, outcome: Outcome) -> Outcome:
        """Return an outcome with its result inside."""
        at = outcome.result_at
        if at is None:
            return outcome
        while True:
            try:
                data = await self._blobs.get(at.name)
                break
            except BrokerRetryableError:
                # The caller's time limit ends this.
                self._check_open(outcome.key, durable=True)
                await asyncio.sleep(PUBLISH_PAUSE_S)
            except NotFoundError as error:
                text = f"the result {at.name!r} is gone: the worker was deleted"
                raise from_kind("deleted", text, key=outcome.key) from error
        if hashlib.sha256(data).hexdigest() != at.sha256:
            raise InternalError(f"the result {at.name!r} is not what the worker gave")
        return msgspec.structs.replace(outcome, result=Raw(data), result_at=None)

    async def _forget(self, name: str) -> None:
        try:
            await self._blobs.delete(name)
        except BrokerError:
            log.info("a payload stays in the object store", name=name)

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
                self._check_open(headers.get("Shem-Key"))
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
