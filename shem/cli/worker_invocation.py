"""`shem worker invocation`: what became of an invocation, told by its key."""

from typing import Annotated

import msgspec
import typer
from rich.console import Console

from shem.cli.arguments import WorkerIdArgument
from shem.cli.output import Format, FormatOption, Output
from shem.cli.session import run
from shem.client import Client
from shem.records import InvocationStatus

__all__ = ["invocation"]


def invocation(
    worker: WorkerIdArgument,
    key: Annotated[
        str, typer.Argument(help="The invocation's idempotency key.", show_default=False)
    ],
    *,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Show what became of an invocation: pending, running, or done with its outcome."""
    output = Output(format_)

    async def work(client: Client) -> None:
        found = await client.worker(worker.component, worker.worker).invocation(key)
        output.document(found, lambda console: _show(console, found))

    run(output, work, component=worker.component, worker=worker.worker)


def _show(console: Console, found: InvocationStatus) -> None:
    told = "" if found.function is None else f"  {found.function}"
    if found.error is not None:
        told += f"  {found.error.kind}: {found.error.message}"
    elif found.state == "done" and found.result is not None:
        told += f" = {msgspec.json.encode(found.result).decode()}"
    console.print(f"{found.state}{told}", markup=False)
