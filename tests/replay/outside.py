"""The world outside the workers, which remembers what was done to it: an HTTP server."""

import asyncio
import contextlib
import json
from collections import Counter
from typing import Any

from msgspec import Struct


class Heard(Struct, frozen=True):
    """One request that arrived completely."""

    what: str
    key: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    trailers: tuple[tuple[str, str], ...] = ()


class Outside:
    """Serves HTTP inside the test's loop.

    | path | answer |
    |---|---|
    | `/echo…` | what was heard, as JSON |
    | `/count…` | the number of the request; a repeated one, by its key, is answered as before |
    | `/status/N` | that status, without a body |
    | `/long/N` | N bytes, chunked, with a trailer `x-digest` |
    | `/endless` | a chunked body that goes on as long as it is read |
    | `/cut/N` | promises 100 bytes, sends N, cuts |
    | `/hang` | nothing, for ever |
    | `/garbage` | what is no HTTP |
    """

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.port = 0
        self._answers: dict[str, int] = {}
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def counts(self) -> Counter[str]:
        """How often each `METHOD /path` was heard."""
        return Counter(one.what for one in self.heard)

    def keys(self, what: str) -> Counter[str]:
        """How often each idempotency key was heard with a request."""
        return Counter(one.key for one in self.heard if one.what == what)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            # Cancelled is what still hangs at the end.
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = [_field(line) for line in lines]
        found = dict(headers)
        trailers: list[tuple[str, str]] = []
        if "chunked" in found.get("transfer-encoding", ""):
            body = await _read_chunks(reader, trailers)
        else:
            body = await reader.readexactly(int(found.get("content-length", 0)))
        key = found.get("idempotency-key", "")
        heard = Heard(f"{method} {path}", key, tuple(headers), body, tuple(trailers))
        self.heard.append(heard)
        await self._answer(path, heard, writer)
        await writer.drain()

    async def _answer(self, path: str, heard: Heard, writer: asyncio.StreamWriter) -> None:
        _, kind, *rest = path.split("?", maxsplit=1)[0].split("/")
        match kind:
            case "count":
                number = self._answers.setdefault(heard.key, len(self._answers) + 1)
                _whole(writer, 200, json.dumps(number).encode())
            case "status":
                _whole(writer, int(rest[0]), b"")
            case "long":
                _chunked(writer, int(rest[0]))
            case "endless":
                await _endless(writer)
            case "cut":
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b"x" * int(rest[0])
                )
                await writer.drain()
            case "garbage":
                writer.write(b"\x00\xff nothing like it\r\n\r\n")
            case "hang":
                await asyncio.Event().wait()
            case _:
                told = {
                    "what": heard.what,
                    "headers": [list(one) for one in heard.headers],
                    "body": heard.body.decode("latin-1"),
                    "trailers": [list(one) for one in heard.trailers],
                }
                _whole(writer, 200, json.dumps(told).encode())


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


async def _read_chunks(reader: asyncio.StreamReader, trailers: list[Any]) -> bytes:
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    while line := (await reader.readuntil(b"\r\n")).decode("latin-1").rstrip():
        trailers.append(_field(line))
    return body


def _whole(writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
    head = f"HTTP/1.1 {status} Some Reason\r\ncontent-length: {len(body)}\r\nx-test: yes\r\n\r\n"
    writer.write(head.encode() + body)


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"fff0\r\n" + b"x" * 0xFFF0 + b"\r\n")
        await writer.drain()


def _chunked(writer: asyncio.StreamWriter, size: int) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-digest\r\n\r\n")
    whole = bytes(index % 251 for index in range(size))
    for start in range(0, size, 1000):
        piece = whole[start : start + 1000]
        writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    writer.write(f"0\r\nx-digest: {sum(whole)}\r\n\r\n".encode())
