"""HTTP/1.1 on the wire: formatting requests and reading responses."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

from msgspec import Struct

from actors.host.http.errors import HttpError, simple
from actors.host.http.fields import FieldList
from actors.host.http.limits import FIELDS_BYTES_MAX, PIECE_BYTES
from wit.values import some

__all__ = ["Head", "Trailers", "format_head", "format_trailers", "read_body", "read_head"]

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: .*)?")
_FIELD_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*")
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")
_END_OF_LINE: Final = b"\r\n"
# Between a request and its response there may be interim ones; more than this are an attack.
_INTERIM_MAX: Final = 16
_CONNECTION_FIELDS: Final = frozenset({"connection", "keep-alive", "proxy-connection", "upgrade"})


class Head(Struct, frozen=True):
    """Status and headers of a response, without those that concern the connection."""

    status: int
    headers: FieldList
    # Bytes of the body; None when it is chunked or ends with the connection.
    length: int | None
    is_chunked: bool


class Trailers:
    """Filled when the end of a body was read."""

    def __init__(self) -> None:
        self.entries: FieldList | None = None


def format_head(method: str, target: str, headers: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the first part of a request. Everything was checked when the guest set it."""
    lines = [f"{method} {target} HTTP/1.1".encode()]
    lines.extend(name.encode() + b": " + value for name, value in headers)
    return _END_OF_LINE.join(lines) + _END_OF_LINE * 2


def format_trailers(trailers: Sequence[tuple[str, bytes]]) -> bytes:
    """Return the end of a chunked body."""
    lines = [name.encode() + b": " + value for name, value in trailers]
    return b"0\r\n" + b"".join(line + _END_OF_LINE for line in lines) + _END_OF_LINE


async def read_head(reader: asyncio.StreamReader, method: str) -> Head:
    """Read up to the body of the final response.

    Raises:
        HttpError: what came is no HTTP response, or its headers are too large.
        EOFError: the connection ended before.
    """
    for _ in range(_INTERIM_MAX):
        line = await _read_line(reader)
        matched = _STATUS_LINE.fullmatch(line)
        if matched is None:
            raise simple("HTTP-protocol-error")
        status = int(matched[1])
        fields = await _read_fields(reader, "HTTP-response-header-section-size")
        if status == 101:
            raise simple("HTTP-upgrade-failed")
        if status >= 200:
            return _head(method, status, fields)
    raise simple("HTTP-protocol-error")


async def read_body(
    reader: asyncio.StreamReader, head: Head, trailers: Trailers
) -> AsyncIterator[bytes]:
    """Yield the body in pieces.

    Raises:
        HttpError: the body is malformed, or ended too early.
    """
    try:
        if head.is_chunked:
            async for piece in _read_chunks(reader):
                yield piece
            trailers.entries = await _read_fields(reader, "HTTP-response-trailer-section-size")
        elif head.length is not None:
            async for piece in _read_exactly(reader, head.length):
                yield piece
        else:
            while piece := await reader.read(PIECE_BYTES):
                yield piece
    except EOFError as error:
        raise simple("HTTP-response-incomplete") from error


def _head(method: str, status: int, fields: FieldList) -> Head:
    codings = [value.lower() for name, value in fields if name.lower() == "transfer-encoding"]
    lengths = {value for name, value in fields if name.lower() == "content-length"}
    dropped = _CONNECTION_FIELDS | {"transfer-encoding"}
    headers = [entry for entry in fields if entry[0].lower() not in dropped]
    if method == "HEAD" or status in {204, 304}:
        return Head(status, headers, length=0, is_chunked=False)
    if codings:
        if codings != [b"chunked"]:
            text = b", ".join(codings).decode(errors="replace")
            raise HttpError(("HTTP-response-transfer-coding", some(text)))
        return Head(status, headers, length=None, is_chunked=True)
    if not lengths:
        return Head(status, headers, length=None, is_chunked=False)
    length = lengths.pop()
    if lengths or not re.fullmatch(rb"[0-9]{1,18}", length):
        raise simple("HTTP-protocol-error")
    return Head(status, headers, length=int(length), is_chunked=False)


async def _read_chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        matched = _CHUNK_LINE.fullmatch(await _read_line(reader))
        if matched is None:
            raise simple("HTTP-protocol-error")
        length = int(matched[1], 16)
        if length == 0:
            return
        async for piece in _read_exactly(reader, length):
            yield piece
        if await _read_line(reader):
            raise simple("HTTP-protocol-error")


async def _read_exactly(reader: asyncio.StreamReader, length: int) -> AsyncIterator[bytes]:
    while length:
        piece = await reader.read(min(length, PIECE_BYTES))
        if not piece:
            raise EOFError
        length -= len(piece)
        yield piece


async def _read_fields(reader: asyncio.StreamReader, too_large: str) -> FieldList:
    fields: FieldList = []
    size = 0
    while line := await _read_line(reader):
        size += len(line)
        if size > FIELDS_BYTES_MAX:
            raise HttpError((too_large, some(size)))
        matched = _FIELD_LINE.fullmatch(line)
        if matched is None or b"\0" in line or b"\r" in line:
            raise simple("HTTP-protocol-error")
        fields.append((matched[1].decode(), matched[2]))
    return fields


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError as error:
        raise simple("HTTP-protocol-error") from error
    return line[:-1].removesuffix(b"\r")
