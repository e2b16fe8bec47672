"""One executor process: broker connection, engine, executor, management service.

Started by `shem.server` as `python -m shem.executor SETTINGS`, with settings as JSON and the broker
in the environment. It says `ready` on stdout once it holds its partitions. It leaves in order on
SIGTERM, SIGINT, and when its stdin is a pipe that ends: then its supervisor is gone.
"""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from secrets import token_hex
from typing import Final

import msgspec
import structlog
import uvloop
from msgspec.structs import replace

from actors.api import (
    ApiService,
    CallService,
    ComponentApi,
    Discovery,
    ExecutorApi,
    InvocationApi,
    SecretApi,
    Statuses,
    WorkerApi,
)
from actors.components import BlobCode, ComponentStore
from actors.engine.engine import WasmtimeEngine
from actors.engine.port import Engine
from actors.metrics import watch_engine
from actors.options import ExecutorOptions
from actors.programs import Programs, check
from actors.secrets import KeyRing, KeysError, SecretStore
from actors.service import Executor
from actors.virtual import with_virtual_exports
from actors.worker_index.listing import WorkerListing
from broker.errors import BrokerError, SetupError
from broker.jetstream.connect import connect
from broker.ports import Blobs, Broker
from gateway.management import ApiManagement, Worlds
from gateway.rest.tokens import TokenManagement
from gateway.security.administration import SchemeManagement
from shem import logging, telemetry
from shem.connection import Connection
from shem.health_server import PortError
from shem.leash import wait_for_end_of_stdin
from shem.observation import Observation, observed
from shem.settings import ExecutorSettings
from shem.standard_streams import open_standard_streams
from wit.world import World

__all__ = [
    "LEAVE_S_MAX",
    "READY",
    "leaving_within",
    "main",
    "run_process",
    "serve",
    "spare_the_living",
]

READY: Final = b"ready\n"
LEAVE_S_MAX: Final = 15.0
"""How long handing everything over may take."""

# New objects before the youngest are searched for cycles, and the searches of one generation before
# one of the next. With the interpreter's 700 a worker that comes into memory causes one or two.
# Full searches are rare: a worker that leaves memory leaves next to nothing to be found.
_SEARCH_EVERY: Final = (5_000, 10, 100)

log = structlog.get_logger(__name__)


MakeEngine = Callable[[ExecutorSettings, Blobs], Engine]


def main() -> None:
    """Run the process that the command line describes."""
    open_standard_streams()
    settings = msgspec.json.decode(sys.argv[1], type=ExecutorSettings)
    run_process(settings, _make_engine)


def run_process(settings: ExecutorSettings, make_engine: MakeEngine) -> None:
    """Run an executor until it is told to leave; exit status 1 if it cannot start or breaks."""
    logging.set_up(settings.log_level, process=settings.label)
    end_tracing = telemetry.set_up("shem-executor", endpoint=settings.otlp_endpoint)
    try:
        with (
            observed("shem-executor", settings.otlp_endpoint, settings.metrics_port) as observation,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(_run(settings, make_engine, observation))
    except PortError as error:
        log.error("cannot serve metrics", error=str(error))  # noqa: TRY400 - told, not traced
        raise SystemExit(1) from error
    except KeysError as error:
        log.error("cannot read the keys of secrets", error=str(error))  # noqa: TRY400 - told, not traced
        raise SystemExit(1) from error
    except BrokerError as error:
        log.error("cannot work with the broker", error=str(error))  # noqa: TRY400 - told, not traced
        raise SystemExit(1) from error
    except ExceptionGroup as errors:
        # Of all that runs together, what has to end because the broker is another than we knew.
        told, others = errors.split(SetupError)
        if told is None or others is not None:
            raise
        log.error("cannot go on with the broker", error=str(_first(told)))  # noqa: TRY400 - told, not traced
        raise SystemExit(1) from errors
    finally:
        end_tracing()


def _first(errors: ExceptionGroup[SetupError]) -> SetupError:
    found: SetupError | ExceptionGroup[SetupError] = errors
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return found


async def _run(
    settings: ExecutorSettings, make_engine: MakeEngine, observation: Observation
) -> None:
    leaving = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leaving.set)
    leash = loop.create_task(wait_for_end_of_stdin(leaving), name="leash")
    pulse = loop.create_task(observation.health.beat(), name="pulse")
    connection = Connection.from_environment()
    options = connection.options(
        name=f"shem-{settings.label}", assume_durable=settings.assume_durable
    )
    broker = await connect(replace(options, runs_workers=True))
    try:
        async with leaving_within(LEAVE_S_MAX, leaving):
            await serve(
                broker,
                make_engine(settings, broker.code),
                _options(settings, measured=observation.measured),
                leaving=leaving,
                on_ready=lambda: _ready(observation),
            )
    finally:
        observation.health.leaving()
        pulse.cancel()
        leash.cancel()
        await broker.close()


@asynccontextmanager
async def leaving_within(seconds: float, leaving: asyncio.Event) -> AsyncGenerator[None]:
    """Cancel what runs inside when it has not ended so long after `leaving` was set.

    Handing over takes a broker that answers; without one, whoever comes next recovers everything
    like after a crash.
    """
    loop = asyncio.get_running_loop()
    limit = asyncio.timeout(None)
    try:
        async with limit:

            async def start_the_clock() -> None:
                await leaving.wait()
                limit.reschedule(loop.time() + seconds)

            clock = loop.create_task(start_the_clock(), name="leaving")
            try:
                yield
            finally:
                clock.cancel()
    except TimeoutError:
        if not limit.expired():
            raise
        log.warning("the broker does not answer: left without handing over")


def _ready(observation: Observation) -> None:
    spare_the_living()
    observation.health.ready()
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
    secrets = SecretStore(broker.secrets, KeyRing.from_environment())
    executor = Executor(broker, Programs(store), options, secrets=secrets)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(executor.run())
            # An executor that breaks ends the group, and with it this wait.
            await executor.wait_until_ready()
            async with _services(broker, store, secrets):
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
async def _services(
    broker: Broker, store: ComponentStore, secrets: SecretStore
) -> AsyncGenerator[None]:
    statuses = Statuses(broker)
    apis = ApiManagement(broker.apis, _worlds_of(store))
    components = ComponentApi(
        store,
        broker.signals,
        check=check,
        users_of=statuses.users_of,
        breaks=lambda name, world, replaced=(): apis.broken_by(
            name,
            None if world is None else with_virtual_exports(world),
            replaced=replaced,
        ),
        listing=WorkerListing(broker, statuses),
    )
    routes = {
        **components.routes(),
        **WorkerApi(broker, statuses, store).routes(),
        **InvocationApi(broker, statuses, secrets).routes(),
        **ExecutorApi(broker.members).routes(),
        **SecretApi(secrets, store).routes(),
        **apis.routes(),
        **SchemeManagement(broker.apis).routes(),
        **TokenManagement(broker.apis).routes(),
    }
    api = ApiService(broker.signals, routes)
    calls = CallService(broker.journal, broker.signals)
    endpoints = [*api.endpoints(), *calls.endpoints()]
    discovery = Discovery(broker.signals, endpoints, version=installed_version("shem"))
    await api.start()
    await calls.start()
    await discovery.start()
    try:
        yield
    finally:
        await discovery.stop()
        await calls.stop()
        await api.stop()


def _worlds_of(store: ComponentStore) -> Worlds:
    async def worlds(names: Sequence[str] | None) -> Mapping[str, World]:
        records = await store.all()
        wanted = [each for each in records if names is None or each.name in names]
        # As programs call them, not as components export them.
        return {each.name: with_virtual_exports((await store.load(each)).world) for each in wanted}

    return worlds


def _options(settings: ExecutorSettings, *, measured: bool) -> ExecutorOptions:
    # A name is never used twice: the mark of a crashed process must not pass for the new one's.
    name = f"{settings.label}-{token_hex(4)}"
    if settings.memory_bytes_max is None:
        return ExecutorOptions(name=name, measured=measured)
    return ExecutorOptions(name=name, memory_bytes_max=settings.memory_bytes_max, measured=measured)


def _make_engine(settings: ExecutorSettings, code: Blobs) -> Engine:
    engine = WasmtimeEngine(Path(settings.cache_dir), BlobCode(code))
    watch_engine(engine)
    return engine


if __name__ == "__main__":
    main()
