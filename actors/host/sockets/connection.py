"""One live TCP connection: buffers on both sides, and what broke it."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import final

from actors.host.sockets.addresses import Endpoint, code_of
from actors.host.sockets.limits import (
    CONNECT_TIMEOUT_S,
    LINGER_S,
    PIECE_BYTES,
    RECEIVE_BUFFER_BYTES_MAX,
    SEND_BUFFER_BYTES_MAX,
)
from actors.host.sockets.options import apply_options
from actors.host.sockets.system import endpoint_of_system
from wit.values import Value

__all__ = ["Connection"]


@final
class Connection:
    """Runs in a task of its own; everybody else looks at its fields and waits for `change`.

    It owns `system`, which is closed in the end whatever happens; with `remote` it connects it
    first, without it is one that was accepted. Nothing is connected or sent before what `committed`
    waits for.
    """

    def __init__(
        self,
        system: socket.socket,
        remote: Endpoint | None,
        committed: Callable[[], Awaitable[None]],
    ) -> None:
        self.on_end: Callable[[], None] = lambda: None
        self.error: str | None = None
        self.local: Endpoint | None = None
        self.received = bytearray()
        self.is_at_end = False
        self._system = system
        self._remote = remote
        self._committed = committed
        self._transport: asyncio.WriteTransport | None = None
        self._outgoing = bytearray()
        self._is_sending = False
        self._ends_sending = False
        self._is_closing = False
        self._linger: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        name = f"tcp {remote.host}:{remote.port}" if remote else "tcp accepted"
        self._task = asyncio.create_task(self._run(), name=name)
        # Not at the end of the task's own code: one that is cancelled at once never begins.
        self._task.add_done_callback(self._ended)

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

    def apply(self, options: Mapping[str, Value]) -> None:
        """Have the system's socket follow what the guest has set."""
        if not self._task.done():
            apply_options(self._system, options)

    def close(self) -> None:
        """Send what was written, as far as the other side takes it in time, then close.

        Idempotent.
        """
        if not self._is_closing and not self._task.done():
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self.abort)
        self._is_closing = True
        self.end_sending()

    def abort(self) -> None:
        """Cut it. Idempotent."""
        if self._transport is not None:
            # What was written is not waited for: the other side may never read it.
            self._transport.abort()
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._committed()
            if self._remote is not None:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    loop = asyncio.get_running_loop()
                    await loop.sock_connect(self._system, (self._remote.host, self._remote.port))
            reader, writer = await asyncio.open_connection(sock=self._system)
            self._transport = writer.transport
            self.local = endpoint_of_system(self._system)
            self._notify()
            await self._exchange(reader, writer)
        except Exception as error:  # noqa: BLE001 - whatever happened, the guest gets a code for it
            self.error = code_of(error)
        finally:
            self._notify()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del task
        if self._transport is None:
            self._system.close()
        if self._linger is not None:
            self._linger.cancel()
        self.on_end()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiving = asyncio.create_task(self._receive(reader))
        try:
            await self._send(writer)
            while not self._is_closing:
                await self.change()
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            # First and without waiting: this task may be cancelled once more while it waits.
            writer.close()
            receiving.cancel()
            try:
                await asyncio.gather(receiving, return_exceptions=True)
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            finally:
                writer.transport.abort()

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
