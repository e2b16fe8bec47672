"""`shem worker oplog` and `shem worker logs`: what a worker did and what it said."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Final, TypeAlias

import typer

from shem.cli.arguments import WorkerIdArgument
from shem.cli.output import Format, FormatOption, Output
from shem.cli.session import run
from shem.client import Client, Worker
from shem.errors import UnknownWorkerError

__all__ = ["logs", "oplog"]

FromOption = Annotated[int, typer.Option("--from", min=1, help="Begin with this index.")]

FOLLOW_LOOK_S: Final = 0.5
LOG_TYPES: Final = ("stdout", "stderr", "log")

Show: TypeAlias = Callable[[object, str], None]


def oplog(
    worker: WorkerIdArgument,
    *,
    from_: FromOption = 1,
    query: Annotated[
        str | None,
        typer.Option(metavar="Q", help="Only entries that match, like 'type:log AND error'."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Print a worker's journal, one entry per line."""
    output = Output(format_)

    async def work(client: Client) -> None:
        handle = client.worker(worker.component, worker.worker)
        if follow:
            await _follow(handle, output, from_, query)
            return
        entries = handle.oplog(start=from_, query=query, with_text=format_ is Format.TEXT)
        with output.items() as show:
            begins = await handle.oplog_begins()
            if begins > from_:
                output.messages.print(
                    f"the log begins with entry {begins}: those before were purged"
                )
            async for entry in entries:
                show({"index": entry.index, "entry": entry.entry}, entry.text or "")

    run(output, work, component=worker.component, worker=worker.worker)


async def _follow(handle: Worker, output: Output, start: int, query: str | None) -> None:
    """Print what is there and what comes. The log is asked: no event tells of every entry."""
    with_text = output.format is Format.TEXT
    while True:
        end = (await handle.status()).index
        if end >= start:
            async for entry in handle.oplog(start=start, query=query, with_text=with_text):
                value = {"index": entry.index, "entry": entry.entry}
                output.item(value, entry.text or "")
                end = max(end, entry.index)
            start = end + 1
        await asyncio.sleep(FOLLOW_LOOK_S)


def logs(
    worker: WorkerIdArgument,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    from_: FromOption = 1,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Print what a worker wrote: its stdout, stderr and log lines."""
    output = Output(format_)

    async def work(client: Client) -> None:
        handle = client.worker(worker.component, worker.worker)
        if not follow:
            with output.items() as show:
                await _history(handle, show, from_)
            return
        # Listen first, read then: what is said in between comes twice and is told by its index.
        async with handle.events() as events:
            try:
                last = await _history(handle, output.item, from_)
            except UnknownWorkerError:
                last = 0
            async for event in events:
                index = event.fields.get("index", 0)
                if event.type in LOG_TYPES and isinstance(index, int) and index > last:
                    _show(output.item, index, {"type": event.type, **event.fields})

    run(output, work, component=worker.component, worker=worker.worker)


async def _history(handle: Worker, show: Show, start: int) -> int:
    last = 0
    async for entry in handle.oplog(start=start, types=["log"]):
        fields = dict(entry.entry)
        level = str(fields.get("level", ""))
        fields["type"] = level if level in LOG_TYPES else "log"
        _show(show, entry.index, fields)
        last = entry.index
    return last


def _show(show: Show, index: int, fields: dict[str, object]) -> None:
    message = str(fields.get("message", ""))
    kind = str(fields.get("type", "log"))
    level = str(fields.get("level", "info"))
    text = message if kind in {"stdout", "stderr"} else f"[{level}] {message}"
    value: dict[str, object] = {"index": index, "type": kind, "message": message}
    if kind == "log":
        value["level"] = level
        value["context"] = str(fields.get("context", ""))
    show(value, text.removesuffix("\n"))
