"""What lies between executors and brokers: connections that are cut, silenced, slowed, lied on.

Each executor reaches each broker by a proxy of its own. It speaks NATS as far as it must to tell
one message of a broker from the next, so that it can lose or double acknowledgements one by one.
"""

import asyncio
import contextlib
import random
import re
import threading
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

__all__ = ["Frames", "Mode", "Proxies", "Proxy"]

_HOST: Final = "127.0.0.1"
_READ_BYTES: Final = 64 << 10
_HOLD_S: Final = 0.02
_LOST_SHARE: Final = 0.3
_DOUBLED_SHARE: Final = 0.5
# What a broker says to a publisher: where it has stored its message.
_ACK: Final = re.compile(rb'\{"stream":"[^"]+",(?:"domain":"[^"]*", ?)?"seq":')


class Mode(Enum):
    """What becomes of what passes."""

    PASS = auto()
    SILENT = auto()
    """Both directions stand still, and connections stay: a network that is parted."""
    DEAF = auto()
    """The executor is heard and hears nothing: half a network."""
    SLOW = auto()
    """Everything takes 20 ms more each way."""
    LOSES_ACKS = auto()
    """A third of the acknowledgements of publishes never arrive."""
    DOUBLES_ACKS = auto()
    """Half of the acknowledgements arrive twice."""


class Frames:
    """Splits what a broker sends into whole messages of the protocol."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> Iterator[bytes]:
        """Yield what is whole by now; the rest is kept."""
        self._rest += data
        while (end := self._rest.find(b"\r\n")) >= 0:
            line = self._rest[:end]
            size = end + 2
            if line[:4] in {b"MSG ", b"HMSG"}:
                size += int(line.rpartition(b" ")[2]) + 2
            if len(self._rest) < size:
                return
            yield self._rest[:size]
            self._rest = self._rest[size:]


def is_ack(frame: bytes) -> bool:
    """Whether a message tells a publisher that its message is stored."""
    return frame.startswith(b"MSG ") and _ACK.search(frame) is not None


class Proxy:
    """Between one executor and one broker."""

    def __init__(self, port: int, target: tuple[str, int], seed: str) -> None:
        self.port = port
        self.mode = Mode.PASS
        self.touched = 0
        """How many acknowledgements were lost or doubled."""
        self._target = target
        self._random = random.Random(seed)
        self._calm = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._accept, _HOST, self.port)

    async def stop(self) -> None:
        """Take no more connections and end those that there are."""
        self._server.close()
        self.cut()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def switch(self, mode: Mode) -> None:
        """Treat what passes from now on in another way."""
        self.mode = mode
        self._calm.set()
        self._calm = asyncio.Event()

    def cut(self) -> None:
        """End all connections at once."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, far_writer}
        for work in (self._up(reader, far_writer), self._down(far_reader, writer)):
            task = asyncio.ensure_future(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                await self._hold(silent={Mode.SILENT})
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames()
        with contextlib.suppress(OSError):
            while data := await reader.read(_READ_BYTES):
                await self._hold(silent={Mode.SILENT, Mode.DEAF})
                for frame in frames.take(data):
                    writer.write(frame * self._times(frame))
                await writer.drain()
        writer.close()

    async def _hold(self, *, silent: set[Mode]) -> None:
        while self.mode in silent:
            await self._calm.wait()
        if self.mode is Mode.SLOW:
            await asyncio.sleep(_HOLD_S)

    def _times(self, frame: bytes) -> int:
        lost = self.mode is Mode.LOSES_ACKS and self._random.random() < _LOST_SHARE
        doubled = self.mode is Mode.DOUBLES_ACKS and self._random.random() < _DOUBLED_SHARE
        if not (lost or doubled) or not is_ack(frame):
            return 1
        self.touched += 1
        return 0 if lost else 2


class Proxies:
    """All proxies of an attack, on a loop and a thread of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._of: list[list[Proxy]] = []

    def add(self, ports: list[int], targets: list[tuple[str, int]], seed: str) -> list[str]:
        """Put a proxy before each target, for one more executor; return where they listen."""
        made = [
            Proxy(port, target, f"{seed}/{port}")
            for port, target in zip(ports, targets, strict=True)
        ]
        for proxy in made:
            asyncio.run_coroutine_threadsafe(proxy.start(), self._loop).result(10)
        self._of.append(made)
        return [f"nats://{_HOST}:{port}" for port in ports]

    def switch(self, executor: int, mode: Mode) -> None:
        """Treat what passes between an executor and all brokers in another way."""
        for proxy in self._of[executor]:
            self._loop.call_soon_threadsafe(proxy.switch, mode)

    def cut(self, executor: int) -> None:
        """End all connections of an executor."""
        for proxy in self._of[executor]:
            self._loop.call_soon_threadsafe(proxy.cut)

    @property
    def touched(self) -> int:
        """How many acknowledgements were lost or doubled."""
        return sum(proxy.touched for made in self._of for proxy in made)

    def close(self) -> None:
        """End everything."""
        for made in self._of:
            for proxy in made:
                asyncio.run_coroutine_threadsafe(proxy.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
