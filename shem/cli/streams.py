"""`shem streams`: what holds mailboxes and logs, and more of it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from broker.jetstream.options import ConnectOptions
from broker.jetstream.splitting import Split
from broker.sharding import STREAMS_MAX
from shem.cli.output import Format, FormatOption, Output
from shem.cli.session import CONNECT_TIMEOUT_S, run_apart
from shem.connection import Connection
from shem.streams import OneStream, split_embedded, split_streams, streams_of

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="See the streams that hold mailboxes and logs, and make more."
)


@app.callback()
def root() -> None:
    """Options before the command."""


@app.command("list", epilog="Example: `shem streams list`")
def list_(*, format_: FormatOption = Format.TEXT) -> None:
    """List the streams and the partitions that each holds."""
    output = Output(format_)
    found = run_apart(output, lambda: streams_of(_options()))
    output.document({"streams": found}, lambda console: _show(console, found))


@app.command(
    "split",
    epilog="Examples: `shem streams split 4` · `shem streams split 4 --data .shem/data`",
)
def split(
    streams: Annotated[
        int,
        typer.Argument(
            min=2,
            max=STREAMS_MAX,
            metavar="STREAMS",
            help="How many there will be: a multiple of those that there are.",
            show_default=False,
        ),
    ],
    *,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The data directory of a stopped `shem up`, for its own broker.",
            show_default=False,
            file_okay=False,
        ),
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Deal the partitions out over more streams, while no executor runs.

    Several streams take in more where every message is synced. Workers, logs and schedules stay as
    they are. The server must map subjects first (`shem deploy nats --streams`); with --data that is
    seen to. If it is interrupted, run it again: until it is through, nothing else connects.
    """
    output = Output(format_)

    async def work() -> Split:
        with output.messages.status("splitting") as status:
            if data is not None:
                return await split_embedded(data, streams, progress=status.update)
            return await split_streams(_options(), streams, progress=status.update)

    done = run_apart(output, work)
    output.done(_told(done), {"split": done})


def _told(done: Split) -> str:
    if done.before == done.streams:
        return f"there are {done.streams} streams already; the index of workers will be read anew"
    return (
        f"{done.streams} streams instead of {done.before}: {len(done.partitions)} partitions have "
        f"moved, with {done.schedules} schedules set anew"
    )


def _options() -> ConnectOptions:
    connection = Connection.from_environment()
    return connection.options(name="shem-streams", timeout_s=CONNECT_TIMEOUT_S)


def _show(console: Console, streams: list[OneStream]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("STREAM", "PARTITIONS", "MESSAGES", "MIB", "REPLICAS"):
        table.add_column(heading)
    for each in streams:
        numbers = ",".join(map(str, each.partitions))
        size = f"{each.bytes / (1 << 20):.1f}"
        table.add_row(each.name, numbers, str(each.messages), size, str(each.replicas))
    console.print(table)
