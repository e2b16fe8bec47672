"""`shem worker oplog` and `shem worker logs`: what a worker did and what it said."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Annotated, Final, TypeAlias, final

import typer

from shem.cli.arguments import WorkerIdArgument
from shem.cli.output import Format, FormatOption, Output
from shem.cli.session import run
from shem.client import Client, Worker
from shem.errors import UnknownWorkerError

__all__ = ["News", "logs", "oplog"]

FromOption = Annotated[int, typer.Option("--from", min=1, help="Begin with this index.")]

FOLLOW_LOOK_S: Final = 0.5
LOG_TYPES: Final = ("stdout", "stderr", "log")

Show: TypeAlias = Callable[[object, str], None]


@final
class News:
    """Tells what is said for the first time: events may be repeated, and history is told before."""

    def __init__(self) -> None:
        # When it was, too: a worker that is made anew begins with index 1 again.
        self._last = (0, 0)

    def takes(self, fields: Mapping[str, object]) -> bool:
        """Whether the fields of an event or entry are new."""
        at_ms, index = fields.get("at-ms"), fields.get("index")
        if not (isinstance(at_ms, int) and isinstance(index, int)):
            # What a function that only reads prints stands nowhere, and comes once.
            return True
        is_new = (at_ms, index) > self._last
        self._last = max(self._last, (at_ms, index))
        return is_new


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
    created_at_ms: int | None = None
    while True:
        try:
            status = await handle.status()
            if created_at_ms not in {None, status.created_at_ms}:
                start = 1
            created_at_ms, end = status.created_at_ms, status.index
            if end >= start:
                async for entry in handle.oplog(start=start, query=query, with_text=with_text):
                    value = {"index": entry.index, "entry": entry.entry}
                    output.item(value, entry.text or "")
                    end = max(end, entry.index)
                start = end + 1
        except UnknownWorkerError:
            # One that was deleted may begin anew; one that never was is a mistake.
            if created_at_ms is None:
                raise
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
                await _history(handle, show, from_, News())
            return
        # Listen first, read then: what is said in between comes twice and is told by its index.
        async with handle.events() as events:
            news = News()
            with suppress(UnknownWorkerError):
                await _history(handle, output.item, from_, news)
            async for event in events:
                if event.type in LOG_TYPES and news.takes(event.fields):
                    _show(output.item, {"type": event.type, **event.fields})

    run(output, work, component=worker.component, worker=worker.worker)


async def _history(handle: Worker, show: Show, start: int, news: News) -> None:
    async for entry in handle.oplog(start=start, types=["log"]):
        fields = {**entry.entry, "index": entry.index}
        level = str(fields.get("level", ""))
        fields["type"] = level if level in LOG_TYPES else "log"
        if news.takes(fields):
            _show(show, fields)


def _show(show: Show, fields: Mapping[str, object]) -> None:
    message = str(fields.get("message", ""))
    kind = str(fields.get("type", "log"))
    level = str(fields.get("level", "info"))
    text = message if kind in {"stdout", "stderr"} else f"[{level}] {message}"
    value: dict[str, object] = {"index": fields.get("index"), "type": kind, "message": message}
    if kind == "log":
        value["level"] = level
        value["context"] = str(fields.get("context", ""))
    show(value, text.removesuffix("\n"))
