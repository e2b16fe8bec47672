"""Websockets that stay open, say nothing, and answer pings.

python -m benchmarks.idle_websockets HOST PORT PATH COUNT      until its stdin ends
"""

import asyncio
import base64
import os
import sys
from typing import Final, final

AT_ONCE: Final = 100
_PING: Final = 0x89
_PONG: Final = 0x8A


@final
class Idle(asyncio.Protocol):
    """One of them. A masked pong is its whole conversation."""

    __slots__ = ("_data", "_transport", "opened")

    def __init__(self, head: bytes, opened: "asyncio.Future[bool]") -> None:
        self._data = head
        self.opened = opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._data)
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self.opened.done():
            head, end, self._data = self._data.partition(b"\r\n\r\n")
            if not end:
                self._data = head
                return
            self.opened.set_result(head.startswith(b"HTTP/1.1 101"))
        while len(self._data) >= 2 and len(self._data) >= (size := 2 + self._data[1]):
            if self._data[0] == _PING:
                # A mask of zeros leaves the payload as it is.
                payload = self._data[2:size]
                head = bytes((_PONG, 0x80 | len(payload)))
                self._transport.write(head + bytes(4) + payload)
            self._data = self._data[size:]

    def connection_lost(self, _error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_result(False)


async def main(host: str, port: int, path: str, count: int) -> None:
    loop = asyncio.get_running_loop()
    slots = asyncio.Semaphore(AT_ONCE)

    async def one() -> bool:
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        async with slots:
            _, made = await loop.create_connection(
                lambda: Idle(head.encode(), loop.create_future()), host, port
            )
            return await made.opened

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one()) for _ in range(count)]
    print(sum(task.result() for task in tasks), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(main(given[0], int(given[1]), given[2], int(given[3])))
