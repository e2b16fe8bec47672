"""The NATS client protocol as bytes: encoding commands, parsing what the server sends. No I/O."""

from collections.abc import Callable, Mapping
from typing import Final, final

import msgspec

from broker.errors import InternalError

__all__ = [
    "Parser",
    "ProtocolError",
    "encode_connect",
    "encode_publish",
    "encode_subscribe",
    "encode_unsubscribe",
]

CONTROL_LINE_BYTES_MAX: Final = 256 * 1024
_MSG: Final = ord("M")
_HMSG: Final = ord("H")
_BREAK: Final = b"\r\n"
_AROUND_HEADERS_BYTES: Final = len(b"NATS/1.0\r\n\r\n\r\n")


class ProtocolError(InternalError):
    """The server sent what is no NATS protocol; the connection is unusable."""


@final
class Parser:
    """Cuts the incoming bytes into messages and control lines.

    `on_message` gets sid, subject, reply, header block and payload; `on_control` a line without
    its line break.
    """

    def __init__(
        self,
        on_message: Callable[[bytes, str, str, bytes, bytes], None],
        on_control: Callable[[bytes], None],
    ) -> None:
        self._on_message = on_message
        self._on_control = on_control
        self._data = b""
        self._position = 0
        # What has arrived behind `_data` and is not joined to it yet.
        self._chunks: list[bytes] = []
        self._chunks_bytes = 0
        # Nothing is parsed below this size, so that a large message is joined only once.
        self._needed = 0

    @property
    def held_bytes(self) -> int:
        """What has arrived and is not taken yet."""
        return len(self._data) - self._position + self._chunks_bytes

    def feed(self, data: bytes) -> None:
        """Add bytes as they arrive."""
        self._chunks.append(data)
        self._chunks_bytes += len(data)

    def take(self, messages_max: int) -> bool:
        """Hand out what is complete, at most so many messages; say whether there may be more.

        Raises:
            ProtocolError: a line that is too long or malformed.
        """
        left = self._parse(messages_max)
        while left and self._chunks and self.held_bytes >= self._needed:
            self._data = b"".join((self._data[self._position :], *self._chunks))
            self._position = 0
            self._chunks.clear()
            self._chunks_bytes = 0
            self._needed = 0
            left = self._parse(left)
        return left == 0

    def _parse(self, left: int) -> int:
        """Parse what is joined; return how many messages more might have been handed out."""
        data = self._data
        find = data.find
        size = len(data)
        position = self._position
        while left and (line_end := find(_BREAK, position)) >= 0:
            kind = data[position]
            start = line_end + 2
            if kind == _MSG and data[position : position + 4] == b"MSG ":
                head = 0
                words = data[position + 4 : line_end].split()
                plain = 3
            elif kind == _HMSG:
                words = data[position + 5 : line_end].split()
                head = _number(words[-2:-1])
                plain = 4
            else:
                self._position = start
                self._on_control(data[position:line_end])
                position = start
                continue
            if len(words) < plain or not words[-1].isdigit():
                line = data[position:line_end]
                raise ProtocolError(f"a message line lacks words or its size: {line!r}")
            body_end = start + int(words[-1])
            if body_end + 2 > size:
                self._needed = body_end + 2 - position
                break
            position = body_end + 2
            self._position = position
            left -= 1
            self._on_message(
                words[1],
                words[0].decode(),
                words[2].decode() if len(words) > plain else "",
                data[start : start + head],
                data[start + head : body_end],
            )
        if left and not self._needed and size - position > CONTROL_LINE_BYTES_MAX:
            raise ProtocolError(f"a protocol line is longer than {CONTROL_LINE_BYTES_MAX} bytes")
        return left


def encode_publish(subject: str, data: bytes, headers: Mapping[str, str], reply: str) -> bytes:
    """Return the command: its line, the headers, the payload and its end."""
    # The quick look first: this is asked for every message.
    if not subject.isprintable() or " " in subject or not subject:
        _check(subject)
    target = f"{subject} {reply}" if reply else subject
    if not headers:
        return b"PUB %b %d\r\n%b\r\n" % (target.encode(), len(data), data)
    text = "\r\n".join(map(": ".join, headers.items()))
    breaks = len(headers) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks:
        raise InternalError(f"a header holds a line break, encode its value: {dict(headers)}")
    block = text.encode()
    size = len(block) + _AROUND_HEADERS_BYTES
    line = f"HPUB {target} {size} {size + len(data)}\r\nNATS/1.0\r\n"
    return b"".join((line.encode(), block, b"\r\n\r\n", data, _BREAK))


def encode_subscribe(subject: str, group: str, sid: int) -> bytes:
    """Return a SUB command."""
    _check(subject)
    return f"SUB {subject} {group + ' ' if group else ''}{sid}\r\n".encode()


def encode_unsubscribe(sid: int) -> bytes:
    """Return an UNSUB command."""
    return b"UNSUB %d\r\n" % sid


def encode_connect(fields: Mapping[str, object]) -> bytes:
    """Return a CONNECT command."""
    return b"CONNECT " + msgspec.json.encode(fields) + _BREAK


def _check(subject: str) -> None:
    if not subject or " " in subject or "\n" in subject or "\r" in subject or "\t" in subject:
        raise InternalError(f"{subject!r} is no subject: encode names as tokens")


def _number(words: list[bytes]) -> int:
    if not words or not words[0].isdigit():
        raise ProtocolError(f"expected a byte count in a message line, got {words}")
    return int(words[0])
