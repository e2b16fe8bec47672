"""`shem worker scheduled`, `repeat`, `pause`, `unpause`, `unschedule`: what runs later."""

import re
from typing import Annotated, Final

import typer
from rich.console import Console

from oplog.entries import Repeat
from shem.cli.arguments import WorkerIdArgument
from shem.cli.output import Format, FormatOption, Output, table
from shem.cli.session import run
from shem.cli.times import moment
from shem.client import Client
from shem.errors import RefusedError
from shem.records import Scheduled

__all__ = ["pause", "repeat", "scheduled", "unpause", "unschedule"]

_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="The schedule's id or key.", show_default=False)
]


def parse_interval(text: str) -> int:
    """Understand an interval like 90s, 5m, 12h or 1d; return milliseconds.

    Raises:
        typer.BadParameter: it is none.
    """
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if found is None:
        raise typer.BadParameter(f"{text!r}: expected an interval like 90s, 5m, 12h or 1d")
    return int(found[1]) * _UNITS_MS[found[2]]


def scheduled(
    worker: Annotated[
        str,
        typer.Argument(
            metavar="COMPONENT[/WORKER]",
            help="A worker, or all of a component.",
            show_default=False,
        ),
    ],
    *,
    format_: FormatOption = Format.TEXT,
) -> None:
    """List what is to be invoked later, earliest first."""
    output = Output(format_)
    component, _, name = worker.partition("/")

    async def work(client: Client) -> None:
        found = await client.schedules.pending(component, name or None)
        output.document({"scheduled": found}, lambda console: _show(console, found))

    run(output, work, component=component)


def repeat(
    worker: WorkerIdArgument,
    call: Annotated[str, typer.Argument(metavar="CALL", help="A WAVE call.", show_default=False)],
    *,
    id_: Annotated[str, typer.Option("--id", help="Its name; the same one again replaces it.")],
    cron: Annotated[
        str | None, typer.Option(metavar="EXPR", help="A cron expression, like '0 9 * * 1-5'.")
    ] = None,
    every: Annotated[
        str | None, typer.Option(metavar="INTERVAL", help="An interval, like 90s, 5m, 12h or 1d.")
    ] = None,
    zone: Annotated[str, typer.Option(help="The time zone of the cron expression.")] = "UTC",
    catch_up: Annotated[
        str,
        typer.Option(help="What to do about missed ones: run all, run one for all, or none."),
    ] = "one",
    format_: FormatOption = Format.TEXT,
) -> None:
    """Invoke a function again and again."""
    output = Output(format_)
    rule = Repeat(
        id=id_,
        due_ms=0,
        call=call if "(" in call else f"{call}()",
        cron=cron,
        every_ms=None if every is None else parse_interval(every),
        zone=zone,
        catch_up=catch_up,
    )

    async def work(client: Client) -> None:
        made = await client.schedules.repeat(worker.component, worker.worker, rule)
        output.done(f"{id_} runs next at {moment(made.at_ms or 0)}", made)

    run(output, work, component=worker.component, worker=worker.worker)


def pause(
    worker: WorkerIdArgument, id_: IdArgument, *, format_: FormatOption = Format.TEXT
) -> None:
    """Let a recurring invocation rest."""
    output = Output(format_)

    async def work(client: Client) -> None:
        if not await client.schedules.pause(worker.component, worker.worker, id_):
            raise _unknown(f"nothing recurring is scheduled as {id_} on {worker}")
        output.done(f"paused {id_} of {worker}", {"id": id_})

    run(output, work, component=worker.component, worker=worker.worker)


def unpause(
    worker: WorkerIdArgument, id_: IdArgument, *, format_: FormatOption = Format.TEXT
) -> None:
    """Go on with a paused recurring invocation."""
    output = Output(format_)

    async def work(client: Client) -> None:
        made = await client.schedules.resume(worker.component, worker.worker, id_)
        if made is None:
            raise _unknown(f"nothing is paused as {id_} on {worker}")
        output.done(f"{id_} runs next at {moment(made.at_ms or 0)}", made)

    run(output, work, component=worker.component, worker=worker.worker)


def unschedule(
    worker: WorkerIdArgument, id_: IdArgument, *, format_: FormatOption = Format.TEXT
) -> None:
    """Take back what is scheduled."""
    output = Output(format_)

    async def work(client: Client) -> None:
        if not await client.schedules.cancel(worker.component, worker.worker, id_):
            raise _unknown(f"nothing is scheduled as {id_} on {worker}")
        output.done(f"took back {id_} of {worker}", {"id": id_})

    run(output, work, component=worker.component, worker=worker.worker)


def _unknown(message: str) -> RefusedError:
    return RefusedError(message, kind="unknown-schedule")


def _show(console: Console, found: list[Scheduled]) -> None:
    shown = table("WORKER", "ID", "AT", "AGAIN", "CALL")
    for each in found:
        at = "?" if each.at_ms is None else moment(each.at_ms)
        rule = "" if each.cron is None else f"{each.cron} {each.zone}"
        if each.every_ms is not None:
            rule = f"every {each.every_ms / 1_000:g} s"
        shown.add_row(
            f"{each.component}/{each.worker}",
            each.id,
            "paused" if each.paused else at,
            rule,
            each.call,
        )
    console.print(shown)
