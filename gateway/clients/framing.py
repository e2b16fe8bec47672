"""Frames of clients: as they are, or with the subprotocol `shem.v1` numbered in JSON."""

from collections.abc import MutableMapping
from typing import Any, Final, Literal, Protocol, final

import msgspec
from msgspec import Struct

from gateway.clients.mailbag import Shown

__all__ = ["SUBPROTOCOL", "Arrived", "Framing", "Numbered", "Plain", "framing_of"]

SUBPROTOCOL: Final = "shem.v1"


class Arrived(Struct, frozen=True):
    """What a client sent: a message with its number, if it has one, or what it has got so far."""

    text: str | None = None
    binary: bytes | None = None
    n: int | None = None
    ack: int | None = None


class Framing(Protocol):
    """How messages look on the wire."""

    subprotocol: str | None

    def hello(self, client: str, token: str) -> dict[str, Any] | None:
        """Return the first frame, None: there is none."""
        ...

    def outgoing(self, sequence: int, message: Shown) -> dict[str, Any]:
        """Return a message to the client as an event of ASGI."""
        ...

    def received(self, n: int | None) -> dict[str, Any] | None:
        """Return the frame that says that a message is durable, None: there is none."""
        ...

    def incoming(self, event: MutableMapping[str, Any]) -> Arrived:
        """Return what a frame says.

        Raises:
            ValueError: it says nothing that the client may say.
        """
        ...


@final
class Plain:
    """A frame is a message."""

    subprotocol: str | None = None

    def hello(self, client: str, token: str) -> dict[str, Any] | None:
        """Return nothing: the token stands in a header of the handshake."""
        del client, token
        return None

    def outgoing(self, sequence: int, message: Shown) -> dict[str, Any]:
        """Return the message."""
        del sequence
        if message.binary is not None:
            return {"type": "websocket.send", "bytes": message.binary}
        return {"type": "websocket.send", "text": message.text or ""}

    def received(self, n: int | None) -> dict[str, Any] | None:
        """Return nothing: the client does not number its messages."""
        del n
        return None

    def incoming(self, event: MutableMapping[str, Any]) -> Arrived:
        """Return the message."""
        return Arrived(text=event.get("text"), binary=event.get("bytes"))


class _Incoming(Struct, frozen=True, forbid_unknown_fields=True):
    n: int | None = None
    text: str | None = None
    binary: bytes | None = None
    ack: int | None = None


class _Message(Struct, frozen=True, omit_defaults=True):
    type: Literal["message"]
    id: int
    text: str | None = None
    binary: bytes | None = None


@final
class Numbered:
    """A frame is JSON: messages have numbers, and both sides say what they have."""

    subprotocol: str | None = SUBPROTOCOL

    def hello(self, client: str, token: str) -> dict[str, Any] | None:
        """Return what to come back with."""
        return _text({"type": "hello", "client": client, "resume": token})

    def outgoing(self, sequence: int, message: Shown) -> dict[str, Any]:
        """Return the message with its number."""
        return _text(_Message("message", sequence, message.text, message.binary))

    def received(self, n: int | None) -> dict[str, Any] | None:
        """Return the number of the message that is durable now."""
        return None if n is None else _text({"type": "received", "n": n})

    def incoming(self, event: MutableMapping[str, Any]) -> Arrived:
        """Return the message or acknowledgement."""
        data = event.get("text") or event.get("bytes") or ""
        try:
            found = msgspec.json.decode(data, type=_Incoming)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(str(error)) from error
        is_message = (found.text is None) != (found.binary is None)
        if is_message == (found.ack is not None):
            raise ValueError("expected one of text, binary and ack")
        if found.n is not None and not 0 <= found.n < 1 << 53:
            raise ValueError("n: expected a number from 0 to 2^53")
        return Arrived(found.text, found.binary, found.n, found.ack)


def framing_of(offered: list[str]) -> Framing:
    """Return the framing that a client asks for."""
    return Numbered() if SUBPROTOCOL in offered else Plain()


def _text(value: object) -> dict[str, Any]:
    return {"type": "websocket.send", "text": msgspec.json.encode(value).decode()}
