"""`shem app deploy`: show what would change, upload components, serve HTTP APIs."""

import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

import typer
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from actors.virtual import with_virtual_exports
from shem.api_deployment import ApiPlan, apply_apis, check_apis, plan_apis
from shem.cli.application_opened import Opened, reporting, selected
from shem.cli.output import Output, table
from shem.cli.session import SIGNALLED, run
from shem.client import Client
from shem.client.updates import UpdateOutcome
from shem.deployment import Action, Planned, apply, plan
from shem.records import Component, Deployed
from shem.worker_redeployment import delete_workers, move_workers
from wit.component import describe

__all__ = ["How", "RolledOut", "deploy", "roll_out", "told_workers"]

_COLOURS = {
    Action.CREATE: "green",
    Action.UPDATE: "yellow",
    Action.REDEPLOY: "red",
    Action.KEEP: "dim",
}
_OUTCOMES: Final = {"failed": "not updated", "current": "at that version already"}


class How(Struct, frozen=True, kw_only=True):
    """What deploying may do. `update` is the mode in which workers are moved, if they are."""

    ask: bool
    only_plan: bool
    update: str | None = None
    redeploy_workers: bool = False
    redeploy_http_api: bool = False
    profile: str | None = None


class RolledOut(Struct, frozen=True, kw_only=True):
    """What a deployment has done; `workers` counts them by what came of them."""

    components: list[Component]
    workers: dict[str, int]
    sites: list[Deployed]


def deploy(work: Opened, names: Sequence[str], how: How) -> None:
    """Show the plan, ask on a terminal, upload components and serve HTTP APIs."""
    output = work.output
    with reporting(output):
        chosen = selected(work, names)

    async def session(client: Client) -> None:
        planned = await plan(client, work.app, chosen)
        apis = await plan_apis(client, work.app, how.profile, redeploy=how.redeploy_http_api)
        _show_plan(output.messages, planned)
        _show_apis(output.messages, apis)
        document: dict[str, object] = {"plan": [each.document() for each in planned]}
        document["http-apis"] = apis.document()
        if how.only_plan:
            output.document(document, lambda _: None)
            return
        changes = any(each.action is not Action.KEEP for each in planned) or apis.changes
        if changes and how.ask and sys.stdin.isatty():
            _ask()
        done = await roll_out(client, output, planned, apis, how)
        document |= {"components": done.components, "workers": done.workers, "sites": done.sites}
        output.document(document, lambda console: _show(console, planned, done, apis))

    run(output, session)


async def roll_out(
    client: Client, output: Output, planned: Sequence[Planned], apis: ApiPlan, how: How
) -> RolledOut:
    """Do what was planned: components first, then their workers, then HTTP APIs.

    Raises:
        ShemError: something is refused; what was done before it stays.
    """
    # The types of a function and the API that calls it may change together.
    changed = {
        each.component: with_virtual_exports(describe(each.data))
        for each in planned
        if each.action is not Action.KEEP
    }
    if changed and apis.changes:
        await check_apis(client, apis, changed)
    components = await _upload(client, output, planned, apis.replaced)
    workers = await _workers(client, output, planned, components, how)
    return RolledOut(components=components, workers=workers, sites=await apply_apis(client, apis))


async def _workers(
    client: Client,
    output: Output,
    planned: Sequence[Planned],
    records: Sequence[Component],
    how: How,
) -> dict[str, int]:
    """Update or delete the workers of what changed; return how many, by what came of them."""
    counts: Counter[str] = Counter()
    changed = [
        record
        for each, record in zip(planned, records, strict=True)
        if each.action is Action.UPDATE
    ]

    def updated(component: str, outcome: UpdateOutcome) -> None:
        counts[outcome.outcome] += 1
        if outcome.outcome == "failed":
            output.note(f"{component}/{outcome.worker} stays as it is: {outcome.reason}")

    def deleted(component: str, worker: str) -> None:
        counts["deleted"] += 1
        output.note(f"deleted {component}/{worker}")

    if how.redeploy_workers:
        await delete_workers(client, changed, deleted)
    elif how.update is not None:
        await move_workers(client, changed, how.update, updated)
    return dict(counts)


async def _upload(
    client: Client, output: Output, planned: Sequence[Planned], replaced: Sequence[str]
) -> list[Component]:
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

        return await apply(client, planned, replaced=replaced, progress=progress, uploaded=uploaded)


def _show_plan(console: Console, planned: Sequence[Planned]) -> None:
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


def _show_apis(console: Console, apis: ApiPlan) -> None:
    """Print what is planned for HTTP APIs, if there are any."""
    if not apis.apis:
        return
    shown = table("HTTP API", "ACTION")
    for each in apis.apis:
        shown.add_row(f"{each.id}@{each.version}", f"[{_COLOURS[each.action]}]{each.action}[/]")
    for site in apis.sites:
        shown.add_row(f"at {site.host}", f"[{_COLOURS[site.action]}]{site.action}[/]")
    console.print(shown)


def told_workers(counts: Mapping[str, int]) -> list[str]:
    """Return the line that says what became of workers, none if there were none."""
    # Backwards: what was updated first.
    ordered = sorted(counts.items(), reverse=True)
    told = [f"{count} {_OUTCOMES.get(outcome, outcome)}" for outcome, count in ordered]
    return [f"workers: {', '.join(told)}"] if told else []


def _ask() -> None:
    """Ask on the terminal whether to go on."""

    def leave(number: int, _: object) -> NoReturn:
        typer.echo(err=True)
        raise typer.Exit(SIGNALLED + number)

    # asyncio would note the first Ctrl-C, and look at it when the question is answered.
    before = signal.signal(signal.SIGINT, leave)
    try:
        typer.confirm("deploy?", abort=True, err=True)
    finally:
        signal.signal(signal.SIGINT, before)


def _show(console: Console, planned: Sequence[Planned], done: RolledOut, apis: ApiPlan) -> None:
    for site in apis.sites:
        if site.action is not Action.KEEP:
            names = ", ".join("@".join(each) for each in site.apis)
            console.print(f"serving {names} at {site.host}", markup=False)
    changed = sum(each.action is not Action.KEEP for each in planned)
    if not changed and not apis.changes:
        console.print("everything is up to date")
        return
    names = ", ".join(
        f"{record.name} version {record.version}"
        for each, record in zip(planned, done.components, strict=True)
        if each.action is not Action.KEEP
    )
    if names:
        console.print(f"deployed {names}", markup=False)
    for line in told_workers(done.workers):
        console.print(line, markup=False)
