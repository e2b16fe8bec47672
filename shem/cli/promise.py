"""`shem promise`: complete promises of workers."""

from pathlib import Path
from typing import Annotated

import typer

from shem.cli.arguments import WorkerIdArgument
from shem.cli.output import Format, FormatOption, Output
from shem.cli.session import run
from shem.client import Client

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Complete promises of workers.")


@app.callback()
def root() -> None:
    """Options before the command."""


@app.command(
    epilog="Examples: `shem promise complete counter/alice 17 --data yes` · "
    "`shem promise complete counter/alice 17 --file answer.bin`"
)
def complete(
    worker: WorkerIdArgument,
    oplog_index: Annotated[
        int, typer.Argument(min=1, help="The promise's index, from its id.", show_default=False)
    ],
    *,
    data: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Complete it with this text.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(dir_okay=False, exists=True, help="Complete it with a file.")
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Complete a promise; a worker that waits for it goes on. Only the first one counts."""
    output = Output(format_)
    if data is not None and file is not None:
        raise typer.BadParameter("expected either --data or --file")
    content = (data or "").encode() if file is None else file.read_bytes()

    async def work(client: Client) -> None:
        handle = client.worker(worker.component, worker.worker)
        completed = await handle.complete_promise(oplog_index, content)
        text = "completed" if completed else "was completed before, and stays as it was"
        document = {
            "component": worker.component,
            "worker": worker.worker,
            "index": oplog_index,
            "completed": completed,
        }
        output.done(f"promise {oplog_index} of {worker} {text}", document)

    run(output, work, component=worker.component, worker=worker.worker)
