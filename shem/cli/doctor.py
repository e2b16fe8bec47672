"""`shem doctor`: whether a running deployment is well."""

import asyncio
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from broker.errors import BrokerError, UnavailableError
from broker.jetstream.inspect import inspect
from shem import logging
from shem.cli.output import FAILED, Format, FormatOption, Output
from shem.cli.session import CONNECT_TIMEOUT_S
from shem.connection import Connection
from shem.doctor import Expected, Finding, Level, examine
from shem.errors import RefusedError, ShemError
from shem.errors import UnavailableError as ShemUnavailableError
from shem.location import find_url

__all__ = ["doctor"]

_STYLES: Final = {
    Level.OK: "green",
    Level.UNKNOWN: "cyan",
    Level.WARNING: "yellow",
    Level.ERROR: "bold red",
}


def doctor(
    *,
    replicas: Annotated[
        int | None,
        typer.Option(min=1, max=5, help="How many every stream must have.", show_default=False),
    ] = None,
    executors: Annotated[
        int | None,
        typer.Option(min=1, help="How many must live at least.", show_default=False),
    ] = None,
    monitor: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The server's monitoring endpoint, which tells how it syncs; by default "
            "SHEM_NATS_MONITOR.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail for warnings, too.")] = False,
    json: Annotated[bool, typer.Option("--json", help="The same as -o json.")] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Check a running deployment; exit status 0: it is well, 1: it is not."""
    output = Output(Format.JSON if json else format_)
    logging.set_up("error")
    connection = Connection.from_environment()
    place = connection.url or find_url()
    try:
        options = connection.options(name="shem-doctor", timeout_s=CONNECT_TIMEOUT_S)
        if monitor is not None:
            options = options.with_monitor(monitor)
        seen = asyncio.run(inspect(options))
    except BrokerError as error:
        output.fail(_told(error, place))
        raise typer.Exit(FAILED) from error
    findings = examine(seen, Expected(replicas=replicas, executors=executors))
    bad = {Level.ERROR, Level.WARNING} if strict else {Level.ERROR}
    is_well = not any(each.level in bad for each in findings)
    document = {"well": is_well, "server": seen.server, "findings": findings}
    output.document(document, lambda console: _show(console, findings, is_well=is_well))
    if not is_well:
        raise typer.Exit(FAILED)


def _told(error: BrokerError, place: str) -> ShemError:
    if isinstance(error, UnavailableError):
        return ShemUnavailableError(f"no broker at {place}: {error}", kind="unavailable")
    return RefusedError(str(error), kind="broker-refused")


def _show(console: Console, findings: list[Finding], *, is_well: bool) -> None:
    for each in findings:
        style = _STYLES[each.level]
        console.print(f"[{style}]{each.level:8}[/] {each.check:14} {escape(each.message)}")
        if each.hint and each.level is not Level.OK:
            console.print(f"{'':24}→ {escape(each.hint)}")
    console.print("all is well" if is_well else "[bold red]not well[/]")
