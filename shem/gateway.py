"""One gateway process: broker connection, client, deployed APIs, HTTP server.

Started by `shem.server` as `python -m shem.gateway SETTINGS`, with settings as JSON and the broker
in the environment. It says `ready` on stdout once it answers HTTP. It leaves in order on SIGTERM,
SIGINT, and when its stdin ends: then its supervisor is gone.
"""

import asyncio
import os
import resource
import secrets
import signal
import socket
import sys

import msgspec
import structlog
import uvloop

from broker.errors import BrokerError
from broker.jetstream.connect import connect
from broker.ports import Broker
from gateway.access_log import AccessLog
from gateway.app import Gateway
from gateway.clients.holder import Holder
from gateway.clients.mailbag import Mailbag
from gateway.clients.sockets import Sockets
from gateway.front import Front, nowhere
from gateway.handling import Handler
from gateway.later.runs import LaterRuns
from gateway.rest.guard import Guard
from gateway.rest.tokens import Tokens
from gateway.route_rates import RouteRates
from gateway.security.administration import FollowedSchemes
from gateway.security.guard import RouteGuard
from gateway.security.providers import Providers
from gateway.security.sessions import Sessions
from gateway.server import HttpServer, listen
from gateway.sites import Sites
from shem import logging, telemetry
from shem.client import Client
from shem.connection import Connection
from shem.executor import READY, spare_the_living
from shem.gateway_workers import ClientWorkers, post_by
from shem.health_server import PortError
from shem.leash import wait_for_end_of_stdin
from shem.observation import Observation, observed, observed_app
from shem.rest import management
from shem.settings import GatewaySettings
from shem.standard_streams import open_standard_streams

__all__ = ["main"]

log = structlog.get_logger(__name__)


def main() -> None:
    """Run the process that the command line describes; exit status 1 if it cannot start."""
    open_standard_streams()
    settings = msgspec.json.decode(sys.argv[1], type=GatewaySettings)
    logging.set_up(settings.log_level, process=settings.label)
    _allow_many_connections()
    end_tracing = telemetry.set_up("shem-gateway", endpoint=settings.otlp_endpoint)
    try:
        with (
            observed("shem-gateway", settings.otlp_endpoint, settings.metrics_port) as observation,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(_run(settings, observation))
    except PortError as error:
        log.error("cannot serve metrics", error=str(error))  # noqa: TRY400 - told, not traced
        raise SystemExit(1) from error
    except (BrokerError, OSError) as error:
        log.error("cannot serve HTTP", error=str(error))  # noqa: TRY400 - told, not traced
        raise SystemExit(1) from error
    finally:
        end_tracing()


async def _run(settings: GatewaySettings, observation: Observation) -> None:
    leaving = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leaving.set)
    leash = loop.create_task(wait_for_end_of_stdin(leaving), name="leash")
    pulse = loop.create_task(observation.health.beat(), name="pulse")
    listening = listen(settings.host, settings.port)
    options = Connection.from_environment().options(
        name=f"shem-{settings.label}", assume_durable=True
    )
    broker = await connect(options)
    try:
        async with await Client(broker).start() as client:
            await _serve(settings, broker, client, listening, leaving, observation=observation)
    finally:
        pulse.cancel()
        leash.cancel()


async def _serve(
    settings: GatewaySettings,
    broker: Broker,
    client: Client,
    listening: socket.socket,
    leaving: asyncio.Event,
    *,
    observation: Observation,
) -> None:
    """Answer until `leaving` is set; what runs by then is answered, too."""
    sites, tokens = Sites(broker.apis), Tokens(broker.apis)
    schemes = FollowedSchemes(broker.apis)
    # Schemes first: a route must not be served before it is known who may use it.
    await schemes.start()
    await sites.start()
    await tokens.start()
    rest = management(client, Guard(tokens, is_open=not settings.needs_token))
    if not settings.needs_token:
        log.warning("the management API answers everybody on this machine (--rest-auth tokens)")
    providers = Providers()
    guard = RouteGuard(schemes.all, providers, Sessions(broker.sessions))
    workers, name = ClientWorkers(client, broker.blobs), _own_name(settings)
    holder = Holder(broker.clients, Mailbag(broker), post_by(client), name=name)
    runs = LaterRuns(broker.clients, workers, name=name)
    rates = RouteRates()
    apis = Gateway(Handler(sites, workers, guard, runs, rates))
    is_apart = settings.rest_port is not None
    sockets = Sockets(sites, holder, guard, rates)
    front = Front(apis=apis, sockets=sockets, management=None if is_apart else rest)
    logged = AccessLog(front) if settings.access_log else front
    watched = observed_app(logged, measured=observation.measured)
    servers = [(HttpServer(watched), listening)]
    if settings.rest_port is not None:
        beside = Front(apis=nowhere, sockets=nowhere, management=rest)
        servers.append((HttpServer(beside), listen(settings.rest_host, settings.rest_port)))
    async with asyncio.TaskGroup() as serving:
        holding = serving.create_task(holder.run(), name="clients")
        await holder.ready.wait()
        answering_later = serving.create_task(runs.run(), name="runs")
        running = [serving.create_task(server.run(at), name="http") for server, at in servers]
        spare_the_living()
        log.info("gateway is ready", host=settings.host, port=listening.getsockname()[1])
        observation.health.ready()
        os.write(sys.stdout.fileno(), READY)
        await leaving.wait()
        observation.health.leaving()
        log.info("gateway leaves")
        rest.leave()
        for server, _ in servers:
            server.leave()
        for each in running:
            await each
        # The clients go on with another gateway, or with the next one here.
        answering_later.cancel()
        holding.cancel()
    await providers.close()
    await sites.stop()
    await schemes.stop()
    await tokens.stop()


def _allow_many_connections() -> None:
    """Use as many file descriptors as this process may: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _own_name(settings: GatewaySettings) -> str:
    # A name is never used twice: the clients of a crashed process must not pass for the new one's.
    return f"{settings.label}-{secrets.token_hex(4)}"


if __name__ == "__main__":
    main()
