"""`shem backup`: make, verify and restore backups of a whole deployment."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from broker.jetstream.archive import Archive, open_archive
from shem import backup
from shem.cli.output import FAILED, Format, FormatOption, Output
from shem.cli.session import CONNECT_TIMEOUT_S, run_apart
from shem.connection import Connection

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, help="Make, verify and restore backups of a whole deployment."
)

T = TypeVar("T")
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", show_default=False)]
_MIB = 1 << 20


@app.callback()
def root() -> None:
    """Options before the command."""


@app.command("create", epilog="Example: `shem backup create /backups/2026-11-29`")
def create(folder: Folder, *, format_: FormatOption = Format.TEXT) -> None:
    """Save everything into a new folder, while everything goes on.

    What was acknowledged before the command began is in it.
    """
    output = Output(format_)

    async def work(archive: Archive) -> backup.Manifest:
        with _progress(output, "saving") as progress:
            return await backup.create(archive, folder, progress=progress)

    made = run_apart(output, lambda: _with_archive(work))
    text = f"{folder}: {len(made.streams)} streams, {made.size} bytes, up to sequence {made.cut}"
    output.done(text, {"folder": str(folder), "cut": made.cut, "size": made.size})


@app.command(
    "restore",
    epilog="Examples: `shem backup restore /backups/2026-11-29` · "
    "`shem backup restore /backups/2026-11-29 --data .shem/data`",
)
def restore(
    folder: Folder,
    *,
    replicas: Annotated[
        int | None,
        typer.Option(
            min=1, max=5, help="Of each stream; by default as many as it had.", show_default=False
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A new data directory for `shem up`, for its own broker.",
            show_default=False,
            file_okay=False,
        ),
    ] = None,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Begin anew after an attempt that was killed; nobody else restores."
        ),
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Restore a backup into an empty deployment, while no executor runs.

    Start executors afterwards: workers answer as they did, and what was scheduled fires.
    """
    output = Output(format_)
    if data is not None and (again or replicas is not None):
        raise typer.BadParameter("--data: a new broker has one replica, and nothing to begin again")

    async def work() -> backup.Restored:
        with _progress(output, "restoring") as progress:
            if data is not None:
                return await backup.restore_new(data, folder, progress=progress)
            return await _with_archive(
                lambda archive: backup.restore(
                    archive, folder, replicas=replicas, progress=progress, again=again
                )
            )

    done = run_apart(output, work)
    text = f"restored {done.streams} streams, {done.messages} messages, up to sequence {done.cut}"
    output.done(text, {"restored": done})


@app.command("verify", epilog="Example: `shem backup verify /backups/2026-11-29`")
def verify(
    folder: Folder,
    *,
    digests: Annotated[
        bool, typer.Option("--digests", help="Compare the files with their digests, no more.")
    ] = False,
    within: Annotated[
        Path | None,
        typer.Option(help="Where there is room for the backup unpacked.", show_default=False),
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Compare all files with their digests, then restore them into a throwaway server.

    There, every hash, chain and index of every log is checked, and every large value. Exit status 1
    if anything is wrong.
    """
    output = Output(format_)

    async def work() -> bool:
        manifest = backup.read_manifest(folder)
        if digests:
            backup.check(folder, manifest)
            output.done(f"{folder}: {len(manifest.streams)} streams are whole", {"well": True})
            return True
        with _progress(output, "trying out") as progress:
            _, verified = await backup.try_out(folder, progress=progress, within=within)
        text = f"{verified.logs} logs, {verified.commits} commits, {verified.entries} entries: " + (
            "nothing is damaged" if verified.is_well else "damaged"
        )
        output.done(text, {"well": verified.is_well, "verified": verified})
        return verified.is_well

    if not run_apart(output, work):
        raise typer.Exit(FAILED)


async def _with_archive(work: Callable[[Archive], Awaitable[T]]) -> T:
    connection = Connection.from_environment()
    archive = await open_archive(
        connection.options(name="shem-backup", timeout_s=CONNECT_TIMEOUT_S)
    )
    try:
        return await work(archive)
    finally:
        await archive.close()


@contextmanager
def _progress(output: Output, doing: str) -> Generator[Callable[[str, int], None]]:
    with output.messages.status(doing) as status:
        yield lambda stream, done: status.update(f"{doing} {stream}: {done / _MIB:.1f} MiB")
