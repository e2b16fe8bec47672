"""`shem app deploy`: show what would change, then upload it."""

import sys
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from shem.cli.application_opened import Opened, reporting, selected
from shem.cli.output import Output, table
from shem.cli.session import run
from shem.client import Client
from shem.deployment import Action, Planned, apply, plan
from shem.records import Component

__all__ = ["deploy", "show_plan", "upload"]

_COLOURS = {Action.CREATE: "green", Action.UPDATE: "yellow", Action.KEEP: "dim"}


def deploy(work: Opened, names: Sequence[str], *, ask: bool, only_plan: bool) -> None:
    """Show the plan, ask on a terminal, and upload."""
    output = work.output
    with reporting(output):
        chosen = selected(work, names)

    async def session(client: Client) -> None:
        planned = await plan(client, work.app, chosen)
        show_plan(output.messages, planned)
        if only_plan:
            output.document({"plan": [each.document() for each in planned]}, lambda _: None)
            return
        changes = any(each.action is not Action.KEEP for each in planned)
        if changes and ask and sys.stdin.isatty():
            typer.confirm("deploy?", abort=True, err=True)
        records = await upload(client, output, planned)
        output.document(
            {"plan": [each.document() for each in planned], "components": records},
            lambda console: _show(console, planned, records),
        )

    run(output, session)


async def upload(client: Client, output: Output, planned: Sequence[Planned]) -> list[Component]:
    """Upload what is new or changed, with progress on a terminal."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        console=output.messages,
        transient=True,
        disable=not output.shows_progress,
    ) as bar:
        task = bar.add_task("", total=None)

        def progress(step: str, done: int, total: int) -> None:
            bar.update(task, description=step, completed=done, total=total)

        def uploaded(each: Planned, record: Component) -> None:
            output.note(f"{each.component} version {record.version}")

        return await apply(client, planned, progress=progress, uploaded=uploaded)


def show_plan(console: Console, planned: Sequence[Planned]) -> None:
    """Print a plan for people."""
    shown = table("COMPONENT", "ACTION", "CHANGED", "VERSION")
    for each in planned:
        version = "" if each.version is None else str(each.version)
        if each.action is not Action.KEEP:
            version = "0" if each.version is None else f"{version} → {each.version + 1}"
        colour = _COLOURS[each.action]
        shown.add_row(
            each.component, f"[{colour}]{each.action}[/]", ", ".join(each.reasons), version
        )
    console.print(shown)


def _show(console: Console, planned: Sequence[Planned], records: Sequence[Component]) -> None:
    changed = sum(each.action is not Action.KEEP for each in planned)
    if not changed:
        console.print("everything is up to date")
        return
    names = ", ".join(
        f"{record.name} version {record.version}"
        for each, record in zip(planned, records, strict=True)
        if each.action is not Action.KEEP
    )
    console.print(f"deployed {names}", markup=False)
