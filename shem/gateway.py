"""One gateway process: broker connection, client, deployed APIs, HTTP server.

Started by `shem.server` as `python -m shem.gateway SETTINGS`, with settings as JSON and the broker
in the environment. It says `ready` on stdout once it answers HTTP. It leaves in order on SIGTERM,
SIGINT, and when its stdin ends: then its supervisor is gone.
"""

import asyncio
import os
import signal
import sys
from typing import Final

import msgspec
import structlog
import uvloop

import rib
from broker.errors import BrokerError
from broker.jetstream.connect import connect
from gateway.app import Gateway
from gateway.handling import Handler, MakePort
from gateway.limits import REQUEST_TIMEOUT_S
from gateway.server import HttpServer, listen
from gateway.sites import Sites
from shem import logging, telemetry
from shem.client import Client
from shem.connection import Connection
from shem.errors import ResultTimeoutError, UnavailableError
from shem.executor import READY, spare_the_living, wait_for_end_of_stdin
from shem.scripts import WorkerPort
from shem.settings import GatewaySettings

__all__ = ["explain", "main"]

_FAILED: Final = 500, "program-failed"

log = structlog.get_logger(__name__)


def main() -> None:
    """Run the process that the command line describes; exit status 1 if it cannot start."""
    settings = msgspec.json.decode(sys.argv[1], type=GatewaySettings)
    logging.set_up(settings.log_level, process=settings.label)
    end_tracing = telemetry.set_up("shem-gateway", endpoint=settings.otlp_endpoint)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(settings))
    except (BrokerError, OSError) as error:
        log.error("cannot serve HTTP", error=str(error))  # noqa: TRY400 - told, not traced
        raise SystemExit(1) from error
    finally:
        end_tracing()


async def _run(settings: GatewaySettings) -> None:
    leaving = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leaving.set)
    leash = loop.create_task(wait_for_end_of_stdin(leaving), name="leash")
    listening = listen(settings.host, settings.port)
    options = Connection.from_environment().options(
        name=f"shem-{settings.label}", assume_durable=True
    )
    broker = await connect(options)
    sites = Sites(broker.apis)
    try:
        async with await Client(broker).start() as client:
            await sites.start()
            server = HttpServer(Gateway(Handler(sites, _ports(client), explain)))
            serving = loop.create_task(server.run(listening), name="http")
            spare_the_living()
            log.info("gateway is ready", host=settings.host, port=listening.getsockname()[1])
            os.write(sys.stdout.fileno(), READY)
            await leaving.wait()
            log.info("gateway leaves")
            server.leave()
            await serving
            await sites.stop()
    finally:
        leash.cancel()


def _ports(client: Client) -> MakePort:
    def make(key: str) -> rib.Port:
        return WorkerPort(client, key, timeout_s=REQUEST_TIMEOUT_S)

    return make


def explain(error: rib.RunError) -> tuple[int, str]:
    """Return what a failed run means for the client: a status and the kind of the problem."""
    if error.code is not rib.Code.CALL_FAILED:
        return _FAILED
    cause = None if error.__cause__ is None else error.__cause__.__cause__
    match cause:
        case ResultTimeoutError():
            return 504, "timeout"
        case UnavailableError():
            return 503, "unavailable"
        case _:
            return 502, "worker-failed"


if __name__ == "__main__":
    main()
