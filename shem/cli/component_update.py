"""`shem component update-workers`."""

from collections import Counter
from contextlib import nullcontext
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from shem.cli.arguments import ComponentName
from shem.cli.output import Format, FormatOption, Output
from shem.cli.session import run
from shem.cli.update_mode import ModeOption, UpdateMode
from shem.client import Client
from shem.client.updates import UpdateOutcome
from shem.errors import RefusedError

__all__ = ["update_workers"]


def update_workers(
    name: ComponentName,
    *,
    version: Annotated[
        int | None,
        typer.Option(min=0, help="The version to run; by default the newest.", show_default=False),
    ] = None,
    mode: ModeOption = UpdateMode.AUTOMATIC,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say which workers would not be updated.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=0.001, help="Seconds to wait for a single worker.")
    ] = 60.0,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Have all workers of a component run another version.

    A worker that would do something else than its log says stays at its version.
    """
    output = Output(format_)

    async def work(client: Client) -> None:
        chosen = version
        if chosen is None:
            chosen = (await client.components.get(name)).version
        outcomes: list[UpdateOutcome] = []
        bar = Progress(console=output.messages, transient=True)
        task = bar.add_task(f"updating {name}", total=None)

        def on_outcome(outcome: UpdateOutcome) -> None:
            outcomes.append(outcome)
            bar.update(task, advance=1, description=f"updating {name}: {len(outcomes)} done")
            if outcome.outcome == "failed":
                output.note(f"{name}/{outcome.worker} stays as it is: {outcome.reason}")

        with bar if output.shows_progress else nullcontext():
            await client.update_workers(
                name,
                chosen,
                mode=mode.value,
                timeout_s=timeout,
                dry_run=dry_run,
                on_outcome=on_outcome,
            )
        _summarize(output, name, chosen, outcomes)

    run(output, work, component=name)


def _summarize(output: Output, name: str, version: int, outcomes: list[UpdateOutcome]) -> None:
    counts = Counter(each.outcome for each in outcomes)
    failed = {each.worker: each.reason for each in outcomes if each.outcome == "failed"}
    said = ", ".join(f"{counts[what]} {what}" for what in ("updated", "current", "failed"))
    if failed:
        problem = f"{len(failed)} of {len(outcomes)} workers of {name} were not updated ({said})"
        raise RefusedError(problem, kind="update-failed")
    document: dict[str, object] = {"component": name, "version": version}
    document.update((str(what), count) for what, count in counts.items())

    def text(console: Console) -> None:
        console.print(f"workers of {name} at version {version}: {said}", markup=False)

    output.document(document, text)
