"""`shem up`: run everything."""

import asyncio
import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
import uvloop
from msgspec.structs import replace

from broker.embedded import Fsync
from broker.errors import BrokerError
from broker.sharding import PARTITIONS_MAX, STREAMS_MAX
from gateway.rest.guard import is_loopback
from shem import logging, telemetry
from shem.cli.session import FAILED
from shem.connection import Connection
from shem.leash import is_leashed
from shem.location import STATE_DIR
from shem.processes import ChildFailedError
from shem.server import EXECUTORS_MAX, Server, ServerOptions

__all__ = ["up"]

INTERRUPTED: Final = 130
_OTLP_URL: Final = re.compile(r"https?://[^/?#\s]+(/[^?#\s]*)?")


class RestAuth(StrEnum):
    """Whether the management API needs tokens."""

    TOKENS = "tokens"
    OFF = "off"


log = structlog.get_logger(__name__)


def up(
    *,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Where everything is kept.", file_okay=False)
    ] = STATE_DIR / "data",
    cache: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Where compiled modules are kept; several systems may share it.",
            file_okay=False,
        ),
    ] = None,
    nats: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Use this NATS server instead of an embedded one; several with commas.",
        ),
    ] = None,
    nats_port: Annotated[
        int,
        typer.Option(min=0, max=65_535, help="Port of the embedded broker; 0 takes a free one."),
    ] = 4222,
    nats_server: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The nats-server to embed; by default the one on the path or the packaged one.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            help="Serve HTTP APIs on this port, 0: a free one; by default there is no gateway.",
            show_default=False,
        ),
    ] = None,
    http_host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address that the gateway listens on.")
    ] = "127.0.0.1",
    rest_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            help="Serve the management API on a port of its own; by default it is on --http-port.",
            show_default=False,
        ),
    ] = None,
    rest_host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Address of --rest-port.")
    ] = "127.0.0.1",
    rest_auth: Annotated[
        RestAuth | None,
        typer.Option(
            help="Whether the management API needs tokens; by default it does unless it is on "
            "loopback, and there only it can be switched off.",
            show_default=False,
        ),
    ] = None,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Log every request of the gateway.")
    ] = False,
    executors: Annotated[
        int,
        typer.Option(
            min=0,
            max=EXECUTORS_MAX,
            help="Executor processes; one per core is good. 0: a gateway alone.",
        ),
    ] = 1,
    partitions: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=PARTITIONS_MAX,
            help="Parts that executors divide workers by, fixed once a broker has them; more let "
            "more executors share and cost the broker more. A new broker gets 16.",
        ),
    ] = None,
    streams: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=STREAMS_MAX,
            help="Streams that a new broker holds the logs in: several take in more, above all "
            "where every message is synced. A broker of your own has to map subjects for them: "
            "see `shem deploy nats --streams`.",
        ),
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=5,
            help="Brokers that keep a copy of everything, fixed once a broker has it; by default "
            "one, or what there is.",
        ),
    ] = None,
    fsync: Annotated[
        Fsync,
        typer.Option(help="Sync the disk for every message, or lazily: faster, but see the docs."),
    ] = Fsync.ALWAYS,
    ready_file: Annotated[
        Path | None,
        typer.Option(
            metavar="F", help="Write URLs and process ids here when ready.", dir_okay=False
        ),
    ] = None,
    log_level: Annotated[
        str, typer.Option(help="debug, info, warning or error.", parser=None)
    ] = "info",
    otlp: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Export traces and metrics to this OTLP/HTTP collector."),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65_000,
            help="Serve /metrics for Prometheus, /healthz and /readyz of the first executor on "
            "this port, of the others and then of the gateway on those that follow.",
            show_default=False,
        ),
    ] = None,
    until_stdin_ends: Annotated[
        bool,
        typer.Option(
            "--until-stdin-ends",
            help="Stop in order when stdin ends, a pipe: for programs that start a system of their "
            "own, which then does not outlive them, whatever ends them.",
        ),
    ] = False,
) -> None:
    """Start everything in the foreground; Ctrl-C or SIGTERM stops it in order."""
    if log_level not in logging.LEVELS:
        raise typer.BadParameter(
            f"--log-level {log_level!r}: expected one of {', '.join(logging.LEVELS)}"
        )
    if executors == 0 and (http_port is None or nats is None):
        raise typer.BadParameter(
            "--executors 0 needs --http-port and --nats: it is a gateway alone"
        )
    if rest_port is not None and http_port is None:
        raise typer.BadParameter("--rest-port needs --http-port: a gateway serves both")
    if otlp is not None and not _OTLP_URL.fullmatch(otlp):
        raise typer.BadParameter(
            f"--otlp {otlp!r}: expected the base URL of a collector that speaks OTLP by HTTP, like "
            "http://127.0.0.1:4318"
        )
    if until_stdin_ends and not is_leashed():
        raise typer.BadParameter("--until-stdin-ends: stdin is no pipe")
    logging.set_up(log_level)
    end_tracing = telemetry.set_up("shem", endpoint=otlp)
    connection = None if nats is None else replace(Connection.from_environment(), url=nats)
    server_options = ServerOptions(
        data_dir=data,
        cache_dir=cache,
        connection=connection,
        nats_port=nats_port,
        nats_server=nats_server,
        http_host=http_host,
        http_port=http_port,
        access_log=access_log,
        rest_host=rest_host,
        rest_port=rest_port,
        rest_is_open=_is_open(rest_auth, http_host if rest_port is None else rest_host),
        executors=executors,
        partitions=partitions,
        streams=streams,
        replicas=replicas,
        fsync=fsync,
        ready_file=ready_file,
        log_level=log_level,
        otlp_endpoint=otlp,
        metrics_port=metrics_port,
        until_stdin_ends=until_stdin_ends,
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            impatient = runner.run(_serve(server_options))
    except (BrokerError, ExceptionGroup) as error:
        known, others = _split(error)
        if others is not None:
            raise
        for each in known:
            log.error("cannot run", reason=str(each))  # noqa: TRY400 - told, not traced
        raise typer.Exit(FAILED) from error
    finally:
        end_tracing()
    if impatient:
        raise typer.Exit(INTERRUPTED)


def _is_open(chosen: RestAuth | None, host: str) -> bool:
    """Whether the management API answers without tokens.

    Raises:
        typer.BadParameter: it would answer strangers.
    """
    if chosen is RestAuth.OFF and not is_loopback(host):
        raise typer.BadParameter(f"--rest-auth off: strangers could manage everything at {host}")
    return is_loopback(host) if chosen is None else chosen is RestAuth.OFF


async def _serve(options: ServerOptions) -> bool:
    server = Server(options)
    await server.run()
    return server.was_impatient


def _split(
    error: BrokerError | ExceptionGroup[Exception],
) -> tuple[Sequence[BaseException], object]:
    """Return the failures that a message explains, and the rest, which is a bug."""
    if isinstance(error, BrokerError):
        return [error], None
    known, others = error.split((BrokerError, ChildFailedError))
    return [] if known is None else known.exceptions, others
