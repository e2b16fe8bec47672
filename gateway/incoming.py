"""An HTTP request as it arrives: decoded head at once, body when somebody wants it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final, TypeAlias, final
from urllib.parse import parse_qsl, unquote

from gateway.errors import RequestError
from gateway.limits import BODY_BYTES_PER_S_MIN, HEADER_BYTES_MAX
from gateway.texts import header_text

__all__ = ["Event", "GoneError", "Incoming", "Receive", "Scope"]

# The protocol's own types: dictionaries of whatever the message needs.
Scope: TypeAlias = MutableMapping[str, Any]
Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]

QUERY_FIELDS_MAX: Final = 1_000
BODY_TIMEOUT_S: Final = 30.0
_CLOSE: Final = (("connection", "close"),)


class GoneError(Exception):
    """The client is gone: nobody waits for an answer, so nothing is worth trying again."""


@final
class Incoming:
    """A request whose head is decoded and whose body has not been read.

    `path` are the segments, decoded one by one, so that `%2F` stays inside its segment; `target` is
    path and query as they came, and `fields` the headers, as Latin-1. Names of headers are in lower
    case. `client` is the address of who asks, as far as the proxy in front says it.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        """Decode a head.

        Raises:
            RequestError: 400, there is no such request.
        """
        raw: bytes = scope["raw_path"]
        query: bytes = scope["query_string"]
        self._receive = receive
        self.method = str(scope["method"])
        self.scheme = str(scope.get("scheme", "http"))
        self.path = _path(raw)
        self.target = (raw + b"?" + query if query else raw).decode("ascii", "replace")
        self.query: Mapping[str, Sequence[str]] = _query(query)
        self.fields: Sequence[tuple[str, str]] = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ]
        if len(raw) + len(query) + sum(map(_size, scope["headers"])) > HEADER_BYTES_MAX:
            detail = f"the request has more than {HEADER_BYTES_MAX} bytes before its body"
            raise RequestError(431, "head-too-large", detail, _CLOSE)
        self.headers: Mapping[str, str] = _joined(
            [(name.decode("latin-1"), header_text(value)) for name, value in scope["headers"]]
        )
        client = scope.get("client")
        self.client = str(client[0]) if client else ""

    @property
    def host(self) -> str:
        """The `Host` header, empty if there is none."""
        return self.headers.get("host", "")

    async def body(self, limit: int) -> bytes:
        """Return the whole body, of at most `limit` bytes; read once.

        Raises:
            RequestError: 413, it is longer; 408, it does not come.
            GoneError: the client is gone.
        """
        return b"".join([piece async for piece in self.pieces(limit)])

    async def begun(self, limit: int, held: int) -> "tuple[bytes, AsyncIterator[bytes] | None]":
        """Return the whole body; or of one longer than `held` bytes the first ones, and the rest.

        Raises as `body`, and so does the rest.
        """
        pieces = self.pieces(limit)
        first = bytearray()
        async for piece in pieces:
            first += piece
            if len(first) > held:
                return bytes(first), pieces
        return bytes(first), None

    async def pieces(self, limit: int) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises as `body`."""
        declared = self.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        size = 0
        begun, paused_s = asyncio.get_running_loop().time(), 0.0
        more = True
        while more:
            allowed_s = BODY_TIMEOUT_S + size / BODY_BYTES_PER_S_MIN
            try:
                # Whoever stores the pieces may take longer than the client.
                async with asyncio.timeout_at(begun + allowed_s + paused_s):
                    event = await self._receive()
            except TimeoutError:
                detail = f"the body did not arrive within {allowed_s:.3g} s"
                raise RequestError(408, "request-timeout", detail, _CLOSE) from None
            if event["type"] == "http.disconnect":
                raise GoneError
            piece: bytes = event.get("body", b"")
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            if piece:
                since = asyncio.get_running_loop().time()
                yield piece
                paused_s += asyncio.get_running_loop().time() - since
            more = bool(event.get("more_body", False))


def _size(field: tuple[bytes, bytes]) -> int:
    return len(field[0]) + len(field[1])


def _path(raw: bytes) -> list[str]:
    try:
        text = raw.decode("ascii")
        if "\0" in unquote(text):
            raise RequestError(400, "bad-request", "the path contains a zero byte")
        parts = text.removeprefix("/").split("/") if text != "/" else []
        return [unquote(part, errors="strict") for part in parts]
    except UnicodeDecodeError as error:
        raise RequestError(400, "bad-request", f"the path is no UTF-8: {error}") from error


def _query(raw: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=QUERY_FIELDS_MAX,
        )
    except UnicodeDecodeError as error:
        raise RequestError(400, "bad-request", f"the query is no UTF-8: {error}") from error
    except ValueError as error:
        raise RequestError(400, "bad-request", f"the query: {error}") from error
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _joined(fields: Sequence[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in fields:
        if name == "host" and name in found:
            raise RequestError(400, "bad-request", "there are several Host headers")
        # Cookies may come in several fields (RFC 9113), and a comma is no separator for them.
        separator = "; " if name == "cookie" else ", "
        found[name] = f"{found[name]}{separator}{value}" if name in found else value
    return found


def _too_large(limit: int) -> RequestError:
    return RequestError(413, "content-too-large", f"the body has more than {limit} bytes", _CLOSE)
