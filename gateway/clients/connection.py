"""One connection of a client: what comes becomes invocations, what is sent is written."""

import asyncio
import base64
import secrets
import time
from collections import deque
from collections.abc import MutableMapping
from typing import Any, Final, final

import structlog

from broker.errors import BrokerError
from gateway.clients.framing import Arrived, Framing
from gateway.clients.holder import Held, Holder
from gateway.clients.limits import KEPT_AFTER_WRITE_S, WRITE_TIMEOUT_S
from gateway.clients.mailbag import Close
from gateway.errors import RequestError
from gateway.rest.requests import Receive, Send

__all__ = ["Connection"]

_NORMAL: Final = 1000
_NO_SUCH_FRAME: Final = 1008
_TRY_AGAIN: Final = 1013
# Removing what a client has got costs a request: not for each message.
_FORGET_EVERY_S: Final = 5.0

_log = structlog.get_logger(__name__)


@final
class Connection:
    """Runs from the accepted handshake to the end of the connection."""

    def __init__(
        self,
        held: Held,
        holder: Holder,
        framing: Framing,
        receive: Receive,
        send: Send,
        *,
        after: int | None = None,
    ) -> None:
        """Make one; `after` is what the client has got before, None: what it was sent."""
        self._held = held
        self._after = after
        self._holder = holder
        self._framing = framing
        self._receive = receive
        self._send = send
        self._writing: asyncio.Task[None] | None = None
        self._is_wanted = False
        self._is_closed = False
        self._nonce = secrets.token_hex(6)
        self._count = 0
        # Its own, since an older connection of the client may write still, to nobody.
        self._written = 0
        # When what was written: what is older than a client may be away is removed.
        self._trail: deque[tuple[float, int]] = deque()
        self._forgot_at = time.monotonic()

    async def run(self, token: str) -> None:
        """Pass messages on in both directions until the connection ends."""
        hello = self._framing.hello(self._held.id, token)
        if hello is not None:
            await self._send(hello)
        if self._after is not None:
            self._held.written = self._after
        self._written = self._held.written
        self._holder.attach(self._held, self)
        code = None
        try:
            code = await self._read()
        finally:
            self._is_closed = True
            if self._writing is not None:
                self._writing.cancel()
            self._holder.detach(self._held, self)
        if code == _NORMAL and self._held.connection is None:
            # It has said goodbye, and has not come back in this very moment.
            self._holder.leave(self._held)

    def nudge(self) -> None:
        """Write what is new."""
        self._is_wanted = True
        if self._writing is None and not self._is_closed:
            self._writing = self._holder.spawn(self._write())

    def drop(self, code: int, reason: str) -> None:
        """Close the connection."""
        if not self._is_closed:
            self._is_closed = True
            self._holder.spawn(self._close(code, reason))

    async def _read(self) -> int | None:
        while True:
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                code: int | None = event.get("code")
                return code
            try:
                await self._take(event)
            except ValueError as error:
                await self._close(_NO_SUCH_FRAME, str(error)[:100])
                return None
            except (OSError, RuntimeError):
                # It has gone while it was told that its message is durable.
                return None
            except (RequestError, BrokerError) as error:
                # The client comes back and says again what was not taken.
                _log.warning("a message was not taken", client=self._held.id, reason=str(error))
                await self._close(_TRY_AGAIN, "the system cannot take messages now")
                return None

    async def _take(self, event: MutableMapping[str, Any]) -> None:
        arrived = self._framing.incoming(event)
        if arrived.ack is not None:
            self._held.acked = max(self._held.acked, arrived.ack)
            self._forget()
            return
        self._count += 1
        value = _message(arrived, self._held.record.target.message_form)
        await self._holder.message(self._held, value, arrived.n, f"{self._nonce}-{self._count}")
        told = self._framing.received(arrived.n)
        if told is not None and not self._is_closed:
            await self._send(told)

    async def _write(self) -> None:
        """Write until nothing is new."""
        held = self._held
        try:
            while self._is_wanted and not self._is_closed:
                self._is_wanted = False
                found = self._holder.mailbag.look_for(held.id, self._written, held.senders)
                async for sequence, sent in found:
                    if self._is_closed:
                        return
                    if isinstance(sent, Close):
                        self.drop(sent.code, sent.reason)
                        self._holder.leave(held)
                        return
                    async with asyncio.timeout(WRITE_TIMEOUT_S):
                        await self._send(self._framing.outgoing(sequence, sent))
                    self._written = sequence
                    if held.connection is self:
                        held.written = sequence
                    held.unwritten = max(0, held.unwritten - 1)
                    self._trail.append((time.monotonic(), sequence))
                self._forget()
            if held.connection is self and not self._is_closed:
                # Of what was sent again more was told than there is to be written.
                held.unwritten = 0
        except TimeoutError:
            self.drop(_NO_SUCH_FRAME, "the client reads too slowly")
        except (BrokerError, OSError, RuntimeError) as error:
            # Also of the server: the connection was closed in this very moment.
            _log.warning("cannot write to a client", client=held.id, reason=str(error))
            self.drop(_TRY_AGAIN, "the system cannot send messages now")
        finally:
            self._writing = None

    def _forget(self) -> None:
        """Remove what the client has got, or could have got for long enough."""
        now = time.monotonic()
        if now - self._forgot_at < _FORGET_EVERY_S:
            return
        up_to = self._held.acked
        while self._trail and self._trail[0][0] < now - KEPT_AFTER_WRITE_S:
            up_to = max(up_to, self._trail.popleft()[1])
        up_to = min(up_to, self._held.written)
        if up_to > 1:
            self._forgot_at = now
            self._held.senders.forget(up_to)
            self._holder.spawn(self._holder.mailbag.forget(self._held.id, up_to))

    async def _close(self, code: int, reason: str) -> None:
        self._is_closed = True
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except (RuntimeError, OSError):
            _log.debug("the connection had ended before", client=self._held.id)


def _message(arrived: Arrived, form: str) -> object:
    """Return a message as the function wants it.

    Raises:
        ValueError: it wants the other kind.
    """
    match form, arrived:
        case "string", Arrived(text=str(text)):
            return text
        case "bytes", Arrived(binary=bytes(data)):
            return {"base64": base64.b64encode(data).decode()}
        case "message", Arrived(text=str(text)):
            return {"text": text}
        case "message", Arrived(binary=bytes(data)):
            return {"binary": {"base64": base64.b64encode(data).decode()}}
        case _:
            raise ValueError(f"this route takes {'text' if form == 'string' else 'binary'} frames")
