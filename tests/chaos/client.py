"""A client that loads the workers and writes down what it did and heard. It knows only NATS.

    python -m tests.chaos.client --help

Operations of one worker are published one after the other, so that their order is known; many
workers are in flight at once. A publication is repeated with the same message id until the broker
acknowledged it, a lost result is asked for with a new message id and the same key.
"""

import argparse
import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client as Connection
from nats.aio.msg import Msg

from tests.chaos.operations import Operation, Source, component_of, worker_name
from tests.chaos.record import Attempted, Heard, Recorder, Stored

__all__ = ["Client", "connect", "probe", "until_rest"]

_PUBLISH_TIMEOUT_S: Final = 2.0
_RETRY_PAUSE_S: Final = 0.1
_RESULT_TIMEOUT_S: Final = 8.0
_KEY: Final = "Shem-Key"
_TRANSIENT: Final = (nats.errors.Error, nats.js.errors.Error, OSError)


async def connect(urls: list[str]) -> Connection:
    """Return a connection that comes back by itself whatever happens to the servers."""

    async def quiet(_: Exception) -> None:
        """Broken connections are what this is about: nothing to report."""

    return await nats.connect(
        servers=urls,
        error_cb=quiet,
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.1,
        connect_timeout=2,
        ping_interval=5,
    )


class Client:
    """One publisher: publishes operations, waits for their outcomes, notes both."""

    def __init__(self, connection: Connection, recorder: Recorder) -> None:
        self._connection = connection
        self._stream = connection.jetstream()
        self._recorder = recorder
        self._inbox = connection.new_inbox()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._published_at: dict[str, float] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.outcomes = 0
        """How many operations have been answered."""

    async def start(self) -> None:
        """Listen for outcomes."""
        await self._connection.subscribe(self._inbox, cb=self._hear)

    async def perform(self, source: Source, worker: str, function: str | None = None) -> None:
        """Publish one operation to the worker and wait until its outcome was heard."""
        async with self._locks[worker]:
            operation = source.operation(worker, function)
            heard = asyncio.get_running_loop().create_future()
            self._waiting[operation.key] = heard
            self._published_at[operation.key] = time.monotonic()
            self._recorder.write(Attempted(operation, time.time()))
            sequence = await self._publish(operation, "")
            self._recorder.write(Stored(operation.key, sequence))
        attempt = 0
        while not heard.done():
            await asyncio.wait([heard], timeout=_RESULT_TIMEOUT_S)
            if not heard.done():
                attempt += 1
                await self._publish(operation, f"#{attempt}")

    async def _publish(self, operation: Operation, suffix: str) -> int:
        """Publish until the broker says that it is stored; return its sequence."""
        component = component_of(operation.worker)
        headers = {
            _KEY: operation.key,
            "Nats-Msg-Id": f"{component}/{operation.worker}:{operation.key}{suffix}",
            "Shem-Result-To": self._inbox,
        }
        body = {"function": operation.full_name, "params": operation.params}
        subject = f"shem.invoke.{component}.{operation.worker}"
        data = json.dumps(body).encode()
        while True:
            try:
                stored = await self._stream.publish(
                    subject, data, timeout=_PUBLISH_TIMEOUT_S, headers=headers
                )
            except _TRANSIENT:
                await asyncio.sleep(_RETRY_PAUSE_S)
            else:
                return int(stored.seq)

    async def _hear(self, message: Msg) -> None:
        outcome: dict[str, Any] = json.loads(message.data)
        key = str(outcome["key"])
        after_s = time.monotonic() - self._published_at.get(key, 0.0)
        self._recorder.write(Heard(key, outcome, after_s, time.time()))
        waiting = self._waiting.pop(key, None)
        if waiting is not None and not waiting.done():
            self.outcomes += 1
            waiting.set_result(None)


async def until_rest(
    tasks: Iterable["asyncio.Task[None]"], progress: Callable[[], int], *, patience_s: float
) -> None:
    """Wait for tasks as long as something moves; end what is left once nothing has for so long."""
    pending = set(tasks)
    while pending:
        before = progress()
        _, pending = await asyncio.wait(pending, timeout=patience_s)
        if progress() == before:
            break
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


async def probe(urls: list[str], workers: int, path: Path, *, patience_s: float) -> None:
    """Ask every worker for its total.

    Who has not answered when nobody has answered for so long is missing in `path`.
    """
    connection = await connect(urls)
    with Recorder(path) as recorder:
        client = Client(connection, recorder)
        await client.start()
        source = Source("probe", 0, 0, workers)
        asked = [
            asyncio.create_task(client.perform(source, worker_name(index), "get"))
            for index in range(workers)
        ]
        await until_rest(asked, lambda: client.outcomes, patience_s=patience_s)
    await connection.close()


async def _load(arguments: argparse.Namespace) -> None:
    connection = await connect(arguments.urls.split(","))
    name = f"client-{arguments.publisher}"
    source = Source(name, arguments.publisher, arguments.seed, arguments.workers)
    ends_at = time.monotonic() + arguments.seconds
    with Recorder(arguments.out) as recorder:
        client = Client(connection, recorder)
        await client.start()

        async def lane() -> None:
            while time.monotonic() < ends_at:
                await client.perform(source, source.worker())
                await asyncio.sleep(source.pause_s(arguments.pause_s))

        lanes = [asyncio.create_task(lane()) for _ in range(arguments.lanes)]
        await asyncio.wait(lanes, timeout=arguments.seconds)
        await until_rest(lanes, lambda: client.outcomes, patience_s=arguments.settle_seconds)
        for task in lanes:
            if not task.cancelled():
                task.result()
    await connection.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--urls", required=True, help="servers, separated by commas")
    parser.add_argument("--publisher", type=int, required=True, help="number of this client")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="how long to begin operations")
    parser.add_argument(
        "--settle-seconds", type=float, default=60, help="then wait until nothing moved for so long"
    )
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--lanes", type=int, required=True, help="operations in flight at once")
    parser.add_argument("--pause-s", type=float, default=0.02, help="mean pause of a lane")
    parser.add_argument("--out", type=Path, required=True, help="where to write what happened")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(_load(_arguments()))
