"""One executor process: broker connection, engine, executor, management service.

Started by `shem.server` as `python -m shem.executor SETTINGS`, with settings as JSON and the broker
in the environment. It says `ready` on stdout once it holds its partitions. It leaves in order on
SIGTERM, SIGINT, and when its stdin ends: then its supervisor is gone.
"""

import asyncio
import gc
import os
import secrets
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import structlog
import uvloop

from actors.api import (
    ApiService,
    CallService,
    ComponentApi,
    ExecutorApi,
    Statuses,
    WorkerApi,
)
from actors.components import BlobCode, ComponentStore
from actors.engine.engine import WasmtimeEngine
from actors.engine.port import Engine
from actors.options import ExecutorOptions
from actors.programs import Programs, link
from actors.service import Executor
from broker.errors import BrokerError
from broker.jetstream.connect import connect
from broker.ports import Blobs, Broker
from gateway.management import ApiManagement, Worlds
from shem import logging, telemetry
from shem.connection import Connection
from shem.settings import ExecutorSettings
from wit.world import World

__all__ = ["READY", "main", "run_process", "serve", "spare_the_living", "wait_for_end_of_stdin"]

READY: Final = b"ready\n"

# New objects before the youngest are searched for cycles, and the searches of one generation before
# one of the next. With the interpreter's 700 a worker that comes into memory causes one or two.
_SEARCH_EVERY: Final = (5_000, 10, 10)

log = structlog.get_logger(__name__)


MakeEngine = Callable[[ExecutorSettings, Blobs], Engine]


def main() -> None:
    """Run the process that the command line describes."""
    settings = msgspec.json.decode(sys.argv[1], type=ExecutorSettings)
    run_process(settings, _make_engine)


def run_process(settings: ExecutorSettings, make_engine: MakeEngine) -> None:
    """Run an executor until it is told to leave; exit status 1 if it cannot start or breaks."""
    logging.set_up(settings.log_level, process=settings.label)
    end_tracing = telemetry.set_up("shem-executor", endpoint=settings.otlp_endpoint)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings, make_engine))
    except BrokerError as error:
        log.error("cannot work with the broker", error=str(error))  # noqa: TRY400 - told, not traced
        raise SystemExit(1) from error
    finally:
        end_tracing()


async def _run(settings: ExecutorSettings, make_engine: MakeEngine) -> None:
    leaving = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leaving.set)
    leash = loop.create_task(wait_for_end_of_stdin(leaving), name="leash")
    connection = Connection.from_environment()
    options = connection.options(
        name=f"shem-{settings.label}", assume_durable=settings.assume_durable
    )
    broker = await connect(options)
    try:
        await serve(
            broker,
            make_engine(settings, broker.code),
            _options(settings),
            leaving=leaving,
            on_ready=_ready,
        )
    finally:
        leash.cancel()
        await broker.close()


def _ready() -> None:
    spare_the_living()
    os.write(sys.stdout.fileno(), READY)


def spare_the_living() -> None:
    """Make searches for garbage rarer and shorter: what exists by now lives until the end.

    A full search visits every object of every worker in memory and holds up all of them meanwhile;
    modules and types would be most of what it visits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_SEARCH_EVERY)


async def serve(
    broker: Broker,
    engine: Engine,
    options: ExecutorOptions,
    *,
    leaving: asyncio.Event,
    on_ready: Callable[[], object],
) -> None:
    """Work until `leaving` is set, then hand everything over and return."""
    store = ComponentStore(broker, engine)
    await store.start()
    executor = Executor(broker, Programs(store), options)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(executor.run())
            # An executor that breaks ends the group, and with it this wait.
            await executor.wait_until_ready()
            async with _services(broker, store):
                log.info("executor is ready", executor=options.name)
                on_ready()
                await leaving.wait()
                log.info("executor leaves", executor=options.name)
            executor.stop()
            await running
    finally:
        await store.close()
        engine.close()


@asynccontextmanager
async def _services(broker: Broker, store: ComponentStore) -> AsyncGenerator[None]:
    statuses = Statuses(broker)
    apis = ApiManagement(broker.apis, _worlds_of(store))
    components = ComponentApi(
        store,
        broker.signals,
        check=link,
        users_of=statuses.users_of,
        breaks=apis.broken_by,
    )
    routes = {
        **components.routes(),
        **WorkerApi(statuses, store).routes(),
        **ExecutorApi(broker.members).routes(),
        **apis.routes(),
    }
    api = ApiService(broker.signals, routes)
    calls = CallService(broker.journal, broker.signals)
    await api.start()
    await calls.start()
    try:
        yield
    finally:
        await calls.stop()
        await api.stop()


def _worlds_of(store: ComponentStore) -> Worlds:
    async def worlds(names: Sequence[str] | None) -> Mapping[str, World]:
        records = await store.all()
        wanted = [each for each in records if names is None or each.name in names]
        return {each.name: (await store.load(each)).world for each in wanted}

    return worlds


def _options(settings: ExecutorSettings) -> ExecutorOptions:
    # A name is never used twice: the mark of a crashed process must not pass for the new one's.
    name = f"{settings.label}-{secrets.token_hex(4)}"
    if settings.memory_bytes_max is None:
        return ExecutorOptions(name=name)
    return ExecutorOptions(name=name, memory_bytes_max=settings.memory_bytes_max)


async def wait_for_end_of_stdin(leaving: asyncio.Event) -> None:
    """Leave when stdin ends: the supervisor holds the other end and is gone."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    leaving.set()


def _make_engine(settings: ExecutorSettings, code: Blobs) -> Engine:
    return WasmtimeEngine(Path(settings.cache_dir), BlobCode(code))


if __name__ == "__main__":
    main()
