"""`shem worker update`, `revert`, `fork`, `set-retry`: what changes what a worker is."""

from typing import Annotated

import typer

from shem.cli.arguments import WorkerId, WorkerIdArgument
from shem.cli.output import Format, FormatOption, Output
from shem.cli.session import run
from shem.cli.update_mode import ModeOption, UpdateMode
from shem.client import Client
from shem.errors import RefusedError

__all__ = ["fork", "revert", "set_retry", "update"]


def update(
    worker: WorkerIdArgument,
    *,
    version: Annotated[int, typer.Option(min=0, help="The version to run.", show_default=False)],
    mode: ModeOption = UpdateMode.AUTOMATIC,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say whether it would go well.")
    ] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Return when the update is durable.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=0.001, help="Seconds to wait until it is done.")
    ] = 30.0,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Have a worker run another version of its component.

    If that does something else than the log says, the worker goes on with the old version.
    """
    output = Output(format_)

    async def work(client: Client) -> None:
        handle = client.worker(worker.component, worker.worker)
        if dry_run:
            reason = await handle.rehearse_update(version)
            if reason is not None:
                raise RefusedError(f"{worker} would not be updated: {reason}", kind="update-failed")
            told = {**_named(worker), "version": version, "diverges": False}
            output.done(f"{worker} would be updated to version {version}", told)
            return
        await handle.update(version, mode=mode.value)
        document = {**_named(worker), "version": version}
        if no_wait:
            output.done(f"{worker} will be updated to version {version}", document)
            return
        status = await handle.wait_for_update(version, timeout_s=timeout)
        if status.component_version != version:
            reason = status.last_update_problem or "another update came after it"
            text = f"{worker} stays at version {status.component_version}: {reason}"
            raise RefusedError(text, kind="update-failed")
        output.done(f"updated {worker} to version {version}", document)

    run(output, work, component=worker.component, worker=worker.worker)


def revert(
    worker: WorkerIdArgument,
    *,
    last_oplog_index: Annotated[
        int | None, typer.Option(min=1, help="The last entry to keep.", show_default=False)
    ] = None,
    invocations: Annotated[
        int | None, typer.Option(min=1, help="How many to undo.", show_default=False)
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Undo what a worker did last, also one that has failed."""
    output = Output(format_)
    if (last_oplog_index is None) == (invocations is None):
        raise typer.BadParameter("expected either --last-oplog-index or --invocations")

    async def work(client: Client) -> None:
        handle = client.worker(worker.component, worker.worker)
        undone = await handle.revert(last_oplog_index=last_oplog_index, invocations=invocations)
        output.done(
            f"reverted {worker}: {undone} entries undone", {**_named(worker), "reverted": undone}
        )

    run(output, work, component=worker.component, worker=worker.worker)


def fork(
    worker: WorkerIdArgument,
    name: Annotated[str, typer.Argument(help="The copy's name.", show_default=False)],
    *,
    at: Annotated[
        int | None,
        typer.Option(min=2, help="The last entry to copy; by default all.", show_default=False),
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Make a copy of a worker, which goes on from where the original was."""
    output = Output(format_)

    async def work(client: Client) -> None:
        await client.worker(worker.component, worker.worker).fork(name, at=at)
        copy = WorkerId(worker.component, name)
        output.done(f"forked {worker} as {copy}", {**_named(worker), "fork": name})

    run(output, work, component=worker.component, worker=worker.worker)


def set_retry(
    worker: WorkerIdArgument,
    policy: Annotated[
        str,
        typer.Argument(
            help="`never`, `attempts=5,min=100ms,max=1m,multiplier=2`, or `default`: as its "
            "component or its guest has it.",
            show_default=False,
        ),
    ],
    *,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Choose when a worker's failures are tried again, from the next failure on."""
    output = Output(format_)
    chosen = "" if policy == "default" else policy

    async def work(client: Client) -> None:
        await client.worker(worker.component, worker.worker).set_retry_policy(chosen)
        output.done(
            f"set the retry policy of {worker}: {policy}", {**_named(worker), "retry": chosen}
        )

    run(output, work, component=worker.component, worker=worker.worker)


def _named(worker: WorkerId) -> dict[str, object]:
    return {"component": worker.component, "worker": worker.worker}
