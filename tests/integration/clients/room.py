"""Plain and numbered clients of the chat example."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.system import RunningSystem

PATIENCE_S = 60
SUBPROTOCOL = "shem.v1"


def room_url(system: RunningSystem, room: str) -> str:
    return f"{system.http_url.replace('http', 'ws')}/rooms/{room}"


class Numbered:
    """A client that loses nothing: it numbers what it says and knows what it has heard."""

    def __init__(self, system: RunningSystem, room: str) -> None:
        self.system = system
        self.room = room
        self.heard: list[Any] = []
        self.resume: str | None = None
        self.after = 0
        self.unsaid: dict[int, str] = {}
        self.n = 0
        self.connections = 0
        self.connection: ClientConnection | None = None
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            query = "" if self.resume is None else f"?resume={self.resume}&after={self.after}"
            url = room_url(self.system, self.room) + query
            try:
                async with connect(url, subprotocols=[SUBPROTOCOL], open_timeout=5) as connection:
                    await self._go_on(connection)
            except (ConnectionClosed, OSError, TimeoutError, EOFError):
                await asyncio.sleep(0.05)
            except InvalidStatus as error:
                if error.response.status_code < 500:
                    raise
                await asyncio.sleep(0.05)
            finally:
                self.connection = None

    async def _go_on(self, connection: ClientConnection) -> None:
        hello = json.loads(await connection.recv())
        assert hello["type"] == "hello"
        self.resume = hello["resume"]
        self.connections += 1
        said = 0
        while later := [n for n in sorted(self.unsaid) if n > said]:
            for n in later:
                await connection.send(json.dumps({"n": n, "text": self.unsaid[n]}))
                said = n
        # Only now: what is said next comes behind what was said before.
        self.connection = connection
        self._news.set()
        async for data in connection:
            frame = json.loads(data)
            if frame["type"] == "received":
                self.unsaid.pop(frame["n"], None)
            elif frame["id"] > self.after:
                self.after = frame["id"]
                self.heard.append(json.loads(frame["text"]))
            self._news.set()

    async def say(self, text: str) -> None:
        self.n += 1
        self.unsaid[self.n] = text
        if self.connection is not None:
            try:
                await self.connection.send(json.dumps({"n": self.n, "text": text}))
            except ConnectionClosed:
                return

    async def until(self, condition: Any) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            state = self.heard, self.unsaid, self.after, self.connections
            raise AssertionError(f"{state}\n{self.system.log[-5000:]}") from None

    def cut(self) -> None:
        """Have the network break: no goodbye."""
        assert self.connection is not None
        self.connection.transport.abort()


@asynccontextmanager
async def numbered(system: RunningSystem, room: str) -> AsyncIterator[Numbered]:
    client = Numbered(system, room)
    running = asyncio.ensure_future(client.run())
    try:
        await client.until(lambda: client.connections > 0)
        yield client
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
