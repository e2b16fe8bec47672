"""`shem up`: run everything."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
import uvloop
from msgspec.structs import replace

from broker.embedded import Fsync
from broker.errors import BrokerError
from shem import logging, telemetry
from shem.cli.session import FAILED
from shem.connection import Connection
from shem.location import STATE_DIR
from shem.processes import ChildFailedError
from shem.server import EXECUTORS_MAX, PARTITIONS_MAX, Server, ServerOptions

__all__ = ["up"]

INTERRUPTED: Final = 130

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
    executors: Annotated[
        int,
        typer.Option(min=1, max=EXECUTORS_MAX, help="Executor processes; one per core is good."),
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
        typer.Option(metavar="URL", help="Export traces to this OTLP/HTTP collector."),
    ] = None,
) -> None:
    """Start everything in the foreground; Ctrl-C or SIGTERM stops it in order."""
    if log_level not in logging.LEVELS:
        raise typer.BadParameter(
            f"--log-level {log_level!r}: expected one of {', '.join(logging.LEVELS)}"
        )
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
        executors=executors,
        partitions=partitions,
        fsync=fsync,
        ready_file=ready_file,
        log_level=log_level,
        otlp_endpoint=otlp,
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
