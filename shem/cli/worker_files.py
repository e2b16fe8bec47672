"""`shem worker files`: what a worker keeps in its files."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from shem.cli.arguments import WorkerIdArgument
from shem.cli.output import Format, FormatOption, Output, table
from shem.cli.session import run
from shem.client import Client
from shem.records import FileEntry

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Look at the files of a worker.")

PathArgument = Annotated[str, typer.Argument(metavar="PATH", help="From the worker's root.")]


@app.command("ls", epilog="Example: `shem worker files ls counter/alice /data`")
def list_(
    worker: WorkerIdArgument, path: PathArgument = "/", *, format_: FormatOption = Format.TEXT
) -> None:
    """List a directory of a worker, or one file."""
    output = Output(format_)

    async def work(client: Client) -> None:
        handle = client.worker(worker.component, worker.worker)
        found = [entry async for entry in handle.files(path)]

        def text(console: Console) -> None:
            shown = table("size", "modified", "name")
            for entry in found:
                shown.add_row(str(entry.size), _moment(entry.modified_ms), _name(entry))
            console.print(shown)

        output.document(found, text)

    run(output, work, component=worker.component, worker=worker.worker)


@app.command(epilog="Example: `shem worker files cat counter/alice /data/notes.txt > notes.txt`")
def cat(
    worker: WorkerIdArgument,
    path: Annotated[str, typer.Argument(metavar="PATH", help="From the worker's root.")],
) -> None:
    """Write the bytes of a file of a worker to stdout."""
    output = Output(Format.TEXT)

    async def work(client: Client) -> None:
        handle = client.worker(worker.component, worker.worker)
        async for piece in handle.read_file(path):
            sys.stdout.buffer.write(piece)
        sys.stdout.flush()

    run(output, work, component=worker.component, worker=worker.worker)


def _name(entry: FileEntry) -> str:
    match entry.type:
        case "directory":
            return f"{entry.name}/"
        case "symbolic-link":
            return f"{entry.name} -> {entry.target}"
        case _:
            return f"{entry.name} (read-only)" if entry.read_only else entry.name


def _moment(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
