"""Headless Chromium, driven by its debugging protocol."""

import asyncio
import itertools
import json
import shutil
import subprocess
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

PATIENCE_S = 60
NAMES = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """A page that is open."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)

    async def run(self, script: str) -> Any:
        """Return what an expression is."""
        number = next(self._numbers)
        params = {"expression": script, "returnByValue": True, "awaitPromise": True}
        request = {"id": number, "method": "Runtime.evaluate", "params": params}
        await self._connection.send(json.dumps(request))
        while (answer := json.loads(await self._connection.recv())).get("id") != number:
            pass
        assert "exceptionDetails" not in answer["result"], answer
        return answer["result"]["result"].get("value")

    async def until(self, script: str) -> None:
        """Wait until an expression holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not await self.run(script):  # noqa: ASYNC110 - a page has no event for us
                await asyncio.sleep(0.05)


class Browser:
    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._connections: list[ClientConnection] = []

    async def open(self, url: str) -> Page:
        """Open a page of its own."""

        def new() -> Any:
            request = urllib.request.Request(f"{self._base}/json/new?{url}", method="PUT")
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
                return json.load(response)

        target = await asyncio.to_thread(new)
        connection = await connect(target["webSocketDebuggerUrl"], max_size=None)
        self._connections.append(connection)
        return Page(connection)

    async def close(self) -> None:
        for each in self._connections:
            await each.close()


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Browser]:
    """A browser with a profile in a folder."""
    assert PROGRAM is not None
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - it takes a moment, once
            [
                *(PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
                *("--disable-dev-shm-usage", "--remote-debugging-port=0"),
                *(f"--user-data-dir={folder}", "about:blank"),
            ],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        try:
            said = folder / "DevToolsActivePort"
            async with asyncio.timeout(PATIENCE_S):
                while not said.exists() or not said.read_text().strip():
                    assert process.poll() is None, (folder / "chromium.log").read_text()
                    await asyncio.sleep(0.05)
            found = Browser(int(said.read_text().splitlines()[0]))
            yield found
            await found.close()
        finally:
            process.terminate()
            process.wait()
