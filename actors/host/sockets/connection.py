"""One live TCP connection: buffers on both sides, and what broke it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import final

from actors.host.sockets.addresses import Endpoint, code_of
from actors.host.sockets.limits import (
    CONNECT_TIMEOUT_S,
    PIECE_BYTES,
    RECEIVE_BUFFER_BYTES_MAX,
    SEND_BUFFER_BYTES_MAX,
)

__all__ = ["Connection"]


@final
class Connection:
    """Runs in a task of its own; everybody else looks at its fields and waits for `change`.

    Nothing is connected or sent before what `committed` waits for.
    """

    def __init__(
        self, remote: Endpoint, local: Endpoint | None, committed: Callable[[], Awaitable[None]]
    ) -> None:
        self.error: str | None = None
        self.local: Endpoint | None = None
        self.received = bytearray()
        self.is_at_end = False
        self._remote = remote
        self._bind_to = local
        self._committed = committed
        self._outgoing = bytearray()
        self._is_sending = False
        self._ends_sending = False
        self._is_closing = False
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"tcp {remote.host}:{remote.port}")

    @property
    def is_connected(self) -> bool:
        """Whether it stands, or stood."""
        return self.local is not None

    @property
    def room(self) -> int:
        """How many bytes it takes now."""
        return max(0, SEND_BUFFER_BYTES_MAX - len(self._outgoing))

    @property
    def is_drained(self) -> bool:
        """Whether everything written has been sent."""
        return not self._outgoing and not self._is_sending

    async def change(self) -> None:
        """Return when something happened."""
        await self._changed.wait()

    def take(self, length: int) -> bytes:
        """Remove up to `length` received bytes."""
        data = bytes(self.received[:length])
        del self.received[:length]
        self._notify()
        return data

    def send(self, data: bytes) -> None:
        """Send bytes, after those that were written before."""
        self._outgoing += data
        self._notify()

    def end_sending(self) -> None:
        """Say that nothing more will be written."""
        self._ends_sending = True
        self._notify()

    def close(self) -> None:
        """Send what was written, then close. Idempotent."""
        self._is_closing = True
        self.end_sending()

    def abort(self) -> None:
        """Cut it."""
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._committed()
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(
                    self._remote.host,
                    self._remote.port,
                    local_addr=(self._bind_to.host, self._bind_to.port) if self._bind_to else None,
                )
            host, port = writer.get_extra_info("sockname")[:2]
            self.local = Endpoint(host, port)
            self._notify()
            await self._exchange(reader, writer)
        except Exception as error:  # noqa: BLE001 - whatever happened, the guest gets a code for it
            self.error = code_of(error)
        finally:
            self._notify()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiving = asyncio.create_task(self._receive(reader))
        try:
            await self._send(writer)
            if not self._is_closing:
                await receiving
            while not self._is_closing:
                await self.change()
        finally:
            receiving.cancel()
            await asyncio.gather(receiving, return_exceptions=True)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _receive(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(PIECE_BYTES):
                self.received += data
                self._notify()
                while len(self.received) >= RECEIVE_BUFFER_BYTES_MAX:
                    await self.change()
            self.is_at_end = True
        except OSError as error:
            self.error = code_of(error)
        self._notify()

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        while self.error is None:
            if not self._outgoing:
                if self._ends_sending:
                    if not self._is_closing and writer.can_write_eof():
                        writer.write_eof()
                    return
                await self.change()
                continue
            self._is_sending = True
            await self._committed()
            data = bytes(self._outgoing)
            self._outgoing.clear()
            writer.write(data)
            await writer.drain()
            self._is_sending = False
            self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
