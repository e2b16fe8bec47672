"""`shem worker`: invoke, watch and control workers."""

from typing import Annotated

import typer
from rich.console import Console

from shem.cli import worker_files
from shem.cli.arguments import (
    MomentOption,
    WorkerId,
    WorkerIdArgument,
    parse_pairs,
    unix_ms,
)
from shem.cli.output import Format, FormatOption, Output, table
from shem.cli.session import run
from shem.cli.times import moment
from shem.cli.worker_change import fork, revert, set_retry, update
from shem.cli.worker_invocation import invocation
from shem.cli.worker_invoke import invoke
from shem.cli.worker_log import logs, oplog
from shem.cli.worker_schedule import pause, repeat, scheduled, unpause, unschedule
from shem.client import Client
from shem.errors import RefusedError
from shem.records import WorkerStatus

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Invoke, watch and control workers.")
app.add_typer(worker_files.app, name="files")


@app.command(epilog="Example: `shem worker new counter/alice --env LEVEL=debug --arg verbose`")
def new(
    worker: WorkerIdArgument,
    *,
    env: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="Its environment; repeatable.")
    ] = None,
    arg: Annotated[
        list[str] | None, typer.Option(metavar="A", help="A program argument; repeatable.")
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(min=0, help="The component's version; by default the newest."),
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Create a worker without invoking it."""
    output = Output(format_)
    environment = parse_pairs("--env", env)

    async def work(client: Client) -> None:
        handle = client.worker(worker.component, worker.worker)
        await handle.create(env=environment, args=arg or [], version=version)
        output.done(f"created {worker}", _named(worker))

    run(output, work, component=worker.component)


app.command(
    epilog="Examples: `shem worker invoke counter/alice 'add(5)'` · "
    "`shem worker invoke counter/alice add --params '[5]' --key order-17`"
)(invoke)


app.command(epilog="Example: `shem worker invocation counter/alice order-17`")(invocation)


@app.command(
    "list",
    epilog="Examples: `shem worker list counter` · `shem worker list counter/a` · "
    "`shem worker list counter --status failed --status retrying`",
)
def list_(
    component: Annotated[
        str,
        typer.Argument(
            metavar="COMPONENT[/PREFIX]",
            help="The component, and how the workers' names begin.",
            show_default=False,
        ),
    ],
    *,
    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status", metavar="STATUS", help="Only workers that are idle, failed, …; repeatable."
        ),
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=0, help="Only workers of this version.", show_default=False)
    ] = None,
    contains: Annotated[
        str, typer.Option(metavar="TEXT", help="Only workers whose names contain it.")
    ] = "",
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V", help="Only workers with this in their environment."),
    ] = None,
    created_after: MomentOption = None,
    created_before: MomentOption = None,
    precise: Annotated[
        bool,
        typer.Option(
            "--precise", help="Read the log of each worker instead of the index; slow for many."
        ),
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """List the workers of a component."""
    output = Output(format_)
    name, _, prefix = component.partition("/")
    environment = parse_pairs("--env", env)

    async def work(client: Client) -> None:
        listing = client.workers(
            name,
            prefix=prefix,
            status=status or (),
            version=version,
            name_contains=contains,
            env=environment,
            created_after_ms=unix_ms(created_after),
            created_before_ms=unix_ms(created_before),
            precise=precise,
        )
        found = [each async for each in listing]

        def text(console: Console) -> None:
            shown = table("WORKER", "STATUS", "VERSION", "INVOCATIONS", "CREATED")
            for each in found:
                shown.add_row(
                    f"{name}/{each.worker}",
                    each.status,
                    str(each.component_version),
                    str(each.invocations),
                    moment(each.created_at_ms),
                )
            console.print(shown)

        output.document(found, text)

    run(output, work, component=name)


@app.command(epilog="Example: `shem worker reindex counter`")
def reindex(
    component: Annotated[str, typer.Argument(metavar="COMPONENT", show_default=False)],
    *,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Make the index behind `worker list` anew from the logs; safe at any time."""
    output = Output(format_)

    async def work(client: Client) -> None:
        done = await client.reindex(component)
        text = f"indexed {done.indexed} workers of {component}, {done.removed} are gone"
        if done.damaged:
            text += f"; their logs are damaged: {', '.join(done.damaged)}"
        output.done(text, done)

    run(output, work, component=component)


@app.command(epilog="Example: `shem worker get counter/alice -o json`")
def get(worker: WorkerIdArgument, *, format_: FormatOption = Format.TEXT) -> None:
    """Show a worker's status."""
    output = Output(format_)

    async def work(client: Client) -> None:
        status = await client.worker(worker.component, worker.worker).status()
        output.document(status, lambda console: _show(console, status))

    run(output, work, component=worker.component, worker=worker.worker)


app.command(
    epilog="Examples: `shem worker oplog counter/alice` · "
    "`shem worker oplog counter/alice --from 10 --query 'type:log AND error'`"
)(oplog)
app.command(epilog="Example: `shem worker logs counter/alice --follow`")(logs)
app.command(
    epilog="Examples: `shem worker scheduled counter/alice` · `shem worker scheduled counter`"
)(scheduled)
app.command(
    epilog="Examples: `shem worker repeat counter/alice 'add(1)' --id tick --every 5m` · "
    "`… --id report --cron '0 9 * * 1-5' --zone Europe/Prague --catch-up none`"
)(repeat)
app.command(epilog="Example: `shem worker pause counter/alice tick`")(pause)
app.command(epilog="Example: `shem worker unpause counter/alice tick`")(unpause)
app.command(epilog="Example: `shem worker unschedule counter/alice tick`")(unschedule)


@app.command(epilog="Examples: `shem worker interrupt counter/alice` · the same with `--recover`")
def interrupt(
    worker: WorkerIdArgument,
    *,
    recover: Annotated[
        bool,
        typer.Option("--recover", help="Drop the instance and recover it at once, like a crash."),
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Stop what a worker runs, until it is resumed."""
    output = Output(format_)

    async def work(client: Client) -> None:
        await client.worker(worker.component, worker.worker).interrupt(recover=recover)
        output.done(f"{'recovered' if recover else 'interrupted'} {worker}", _named(worker))

    run(output, work, component=worker.component, worker=worker.worker)


@app.command(epilog="Example: `shem worker resume counter/alice`")
def resume(worker: WorkerIdArgument, *, format_: FormatOption = Format.TEXT) -> None:
    """Let an interrupted worker go on."""
    output = Output(format_)

    async def work(client: Client) -> None:
        await client.worker(worker.component, worker.worker).resume()
        output.done(f"resumed {worker}", _named(worker))

    run(output, work, component=worker.component, worker=worker.worker)


@app.command(epilog="Example: `shem worker cancel counter/alice order-17`")
def cancel(
    worker: WorkerIdArgument,
    key: Annotated[
        str, typer.Argument(help="The invocation's idempotency key.", show_default=False)
    ],
    *,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Take a queued invocation out of the queue."""
    output = Output(format_)

    async def work(client: Client) -> None:
        if not await client.worker(worker.component, worker.worker).cancel(key):
            text = f"{worker} has no {key} in its queue: it has begun, is done, or never came"
            raise RefusedError(text, kind="not-cancelled")
        output.done(f"cancelled {key} of {worker}", {**_named(worker), "key": key})

    run(output, work, component=worker.component, worker=worker.worker)


app.command(
    epilog="Examples: `shem worker update counter/alice --version 2` · "
    "`shem worker update counter/alice --version 2 --mode snapshot-based`"
)(update)
app.command(
    epilog="Examples: `shem worker revert counter/alice --invocations 1` · "
    "`shem worker revert counter/alice --last-oplog-index 17`"
)(revert)
app.command(
    epilog="Examples: `shem worker fork counter/alice bob` · "
    "`shem worker fork counter/alice bob --at 17`"
)(fork)


app.command(
    "set-retry",
    epilog="Examples: `shem worker set-retry counter/alice attempts=10,max=1m` · "
    "`shem worker set-retry counter/alice default`",
)(set_retry)


@app.command(epilog="Example: `shem worker delete counter/alice`")
def delete(worker: WorkerIdArgument, *, format_: FormatOption = Format.TEXT) -> None:
    """End a worker and forget its state; the next invocation creates a fresh one."""
    output = Output(format_)

    async def work(client: Client) -> None:
        await client.worker(worker.component, worker.worker).delete()
        output.done(f"deleted {worker}", _named(worker))

    run(output, work, component=worker.component, worker=worker.worker)


def _named(worker: WorkerId) -> dict[str, object]:
    return {"component": worker.component, "worker": worker.worker}


def _show(console: Console, status: WorkerStatus) -> None:
    rows = {
        "worker": f"{status.component}/{status.worker}",
        "status": status.status,
        "version": str(status.component_version),
        "created": moment(status.created_at_ms),
        "invocations": str(status.invocations),
        "waiting": str(status.pending),
        "log index": str(status.index),
    }
    if status.running_function is not None:
        rows["running"] = f"{status.running_function} ({status.running_key})"
    if status.last_error is not None:
        rows["last error"] = f"{status.last_error.kind}: {status.last_error.message}"
    if status.pending_update is not None:
        rows["updating to"] = str(status.pending_update)
    if status.last_update_problem is not None:
        rows["update failed"] = status.last_update_problem
    if status.attempt:
        rows["attempt"] = str(status.attempt)
    if status.retry:
        rows["retry policy"] = status.retry
    if status.wake_at_ms is not None:
        rows["wakes at"] = moment(status.wake_at_ms)
    if status.exit_code is not None:
        rows["exit code"] = str(status.exit_code)
    shown = table("", "")
    shown.show_header = False
    for name, value in rows.items():
        shown.add_row(name, value)
    console.print(shown)
