"""`shem component`: upload and manage components."""

import sys
import textwrap
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from shem.cli.arguments import ComponentName, VersionOption, parse_pairs
from shem.cli.component_update import update_workers
from shem.cli.output import Format, FormatOption, Output, table
from shem.cli.session import run
from shem.cli.template_option import LANGUAGES_TOLD, TemplateOption
from shem.cli.times import moment
from shem.client import Client
from shem.records import ComponentCode, ComponentDescription, ComponentWorkers

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Upload and manage components.")

Permissions = Literal["ro", "rw"]
InitialFile = tuple[str, bytes, Permissions]


@app.command(
    epilog="Examples: `shem component add counter counter.wasm` · "
    "`shem component add web web.wasm --env LEVEL=debug --file ./conf.json:/etc/conf.json:ro`"
)
def add(
    name: ComponentName,
    file: Annotated[
        Path,
        typer.Argument(
            help="The component: a .wasm file.", exists=True, dir_okay=False, readable=True
        ),
    ],
    *,
    ephemeral: Annotated[
        bool, typer.Option("--ephemeral", help="A fresh instance for each invocation.")
    ] = False,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V", help="Environment of all its workers; repeatable."),
    ] = None,
    initial_file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            metavar="SRC:/DST[:ro|rw]",
            help="A file that every worker finds at /DST; repeatable.",
        ),
    ] = None,
    link: Annotated[
        list[str] | None,
        typer.Option(
            metavar="IMPORT=COMPONENT",
            help="Which component serves an imported interface; repeatable.",
        ),
    ] = None,
    snapshots: Annotated[
        str,
        typer.Option(
            metavar="POLICY",
            help="When snapshots of its workers are taken: auto, never, or idle, every=N "
            "(entries) and period=D (30s, 5m, 1h) separated by commas; custom in front of them has "
            "the component save itself.",
        ),
    ] = "auto",
    retry: Annotated[
        str,
        typer.Option(
            metavar="POLICY",
            help="When failures of its workers are tried again: never, or attempts=N, min=D, max=D "
            "(as 100ms, 5s, 1m), multiplier=X and jitter=X separated by commas.",
            show_default=False,
        ),
    ] = "",
    memory: Annotated[
        str,
        typer.Option(
            metavar="POLICY",
            help="How much memory a worker may have, max=N (as 64MiB), and whether one that needs "
            "more is tried again: full=retry or full=fail.",
            show_default=False,
        ),
    ] = "",
    quota: Annotated[
        str,
        typer.Option(
            metavar="LIMITS",
            help="How much its workers may take up, as workers=1000 (that exist), pending=100 "
            "(invocations of each that wait), entries=1000000 (of each log), bytes=10GiB (of all "
            "logs together), separated by commas.",
            show_default=False,
        ),
    ] = "",
    archive: Annotated[
        bool,
        typer.Option(
            "--archive",
            help="Move the part of a log that snapshots stand for to the object store, compressed.",
        ),
    ] = False,
    purge: Annotated[
        bool,
        typer.Option(
            "--purge",
            help="Throw the part of a log away that two snapshots stand for: outcomes of old keys "
            "too, and nothing goes back there.",
        ),
    ] = False,
    read_only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FUNCTION",
            help="A function that only reads: it runs beside the queue; repeatable.",
        ),
    ] = None,
    allow_sockets: Annotated[
        bool,
        typer.Option("--allow-sockets", help="Let its workers use the network (wasi:sockets)."),
    ] = False,
    if_changed: Annotated[
        bool, typer.Option("--if-changed", help="Keep the newest version if it is the same.")
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Upload a component: version 0, then 1, 2 and so on."""
    output = Output(format_)
    if archive and purge:
        raise typer.BadParameter("expected either --archive or --purge")
    environment = parse_pairs("--env", env)
    links = parse_pairs("--link", link)
    files = [_read_file(each) for each in initial_file or []]

    async def work(client: Client) -> None:
        with _progress(output) as bar:
            tasks = {step: bar.add_task(step, total=None, visible=False) for step in _STEPS}

            def progress(step: str, done: int, total: int) -> None:
                bar.update(tasks[step], completed=done, total=total, visible=True)

            record = await client.components.add(
                name,
                file.read_bytes(),
                type_="ephemeral" if ephemeral else "durable",
                env=environment,
                files=files,
                links=links,
                snapshots=snapshots,
                retry=retry,
                memory=memory,
                quota=quota,
                history="archive" if archive else "purge" if purge else "keep",
                sockets=allow_sockets,
                read_only=read_only or (),
                if_changed=if_changed,
                progress=progress,
            )
        output.done(f"{record.name} version {record.version}", record)

    run(output, work)


@app.command(epilog="Example: `shem component new python demo:cart`")
def new(
    language: Annotated[
        str, typer.Argument(help=f"The language to write it in: {LANGUAGES_TOLD}.")
    ],
    name: Annotated[str, typer.Argument(metavar="NS:NAME", help="The component's name.")],
    *,
    template: TemplateOption = "counter",
    format_: FormatOption = Format.TEXT,
) -> None:
    """Add a component to the app that this folder belongs to."""
    from shem.cli import application_work  # noqa: PLC0415 - the build tool is slow to import

    application_work.new_component(Output(format_), language, name, template)


@app.command("list", epilog="Examples: `shem component list` · `shem component list counter`")
def list_(
    name: Annotated[
        str | None, typer.Argument(help="List all versions of this one.", show_default=False)
    ] = None,
    *,
    format_: FormatOption = Format.TEXT,
) -> None:
    """List components with their newest versions, or all versions of one."""
    output = Output(format_)

    async def work(client: Client) -> None:
        components = client.components
        found = await (components.all() if name is None else components.versions(name))

        def text(console: Console) -> None:
            shown = table("NAME", "VERSION", "TYPE", "SIZE", "UPLOADED")
            for each in found:
                shown.add_row(
                    each.name,
                    str(each.version),
                    each.type,
                    _size(each.size),
                    moment(each.created_at_ms),
                )
            console.print(shown)

        output.document(found, text)

    run(output, work, component=name)


@app.command(epilog="Example: `shem component get counter -o json`")
def get(
    name: ComponentName, *, version: VersionOption = None, format_: FormatOption = Format.TEXT
) -> None:
    """Show a component: its settings and the functions that it exports."""
    output = Output(format_)

    async def work(client: Client) -> None:
        described = await client.components.describe(name, version)
        record = described.component
        # One object, as if the exports were a setting: scripts read the others by their names.
        document = {
            **msgspec.to_builtins(record),
            "exports": described.exports,
            "code": msgspec.to_builtins(described.code),
            "workers": msgspec.to_builtins(described.workers),
        }
        output.document(document, lambda console: _show(console, described))

    run(output, work, component=name)


@app.command(epilog="Examples: `shem component wit counter` · `shem component wit counter --full`")
def wit(
    name: ComponentName,
    *,
    version: VersionOption = None,
    full: Annotated[
        bool, typer.Option("--full", help="As WIT text, with all packages that it names.")
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Show what a component exports and imports."""
    output = Output(format_)

    async def work(client: Client) -> None:
        if full:
            printed = _full_text(await client.components.download(name, version))
            output.document({"wit": printed}, lambda console: _write(console, printed))
            return
        described = await client.components.describe(name, version)
        output.document(described, lambda console: _show_world(console, described))

    run(output, work, component=name)


@app.command(epilog="Example: `shem component download counter counter.wasm --version 0`")
def download(
    name: ComponentName,
    file: Annotated[Path, typer.Argument(help="Where to write it; - is stdout.", dir_okay=False)],
    *,
    version: VersionOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Write a component's bytes to a file."""
    output = Output(format_)
    if str(file) == "-" and format_ is not Format.TEXT:
        raise typer.BadParameter("the bytes go to stdout: leave -o away, or name a file")

    async def work(client: Client) -> None:
        data = await client.components.download(name, version)
        if str(file) == "-":
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
        else:
            file.write_bytes(data)
            output.done(f"{file}: {len(data)} bytes", {"file": str(file), "size": len(data)})

    run(output, work, component=name)


@app.command(epilog="Example: `shem component delete counter --version 0`")
def delete(
    name: ComponentName,
    *,
    version: Annotated[
        int | None, typer.Option(min=0, help="A version; by default all.", show_default=False)
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Although workers run it, or deployed APIs rely on it: they will fail."
        ),
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Delete a component, or one version of it."""
    output = Output(format_)

    async def work(client: Client) -> None:
        deleted = await client.components.delete(name, version, force=force)
        versions = ", ".join(str(each.version) for each in deleted)
        output.done(f"deleted {name} version {versions}", {"deleted": deleted})

    run(output, work, component=name)


_STEPS = ("upload", "compile")


def _progress(output: Output) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        console=output.messages,
        transient=True,
        disable=not output.shows_progress,
    )


def _read_file(text: str) -> InitialFile:
    source, colon, rest = text.partition(":")
    path, _, mode = rest.partition(":")
    if not colon or not source or not path.startswith("/"):
        raise typer.BadParameter(f"--file {text!r}: expected SRC:/DST, SRC:/DST:ro or SRC:/DST:rw")
    permissions: Permissions
    match mode:
        case "" | "ro":
            permissions = "ro"
        case "rw":
            permissions = "rw"
        case _:
            raise typer.BadParameter(f"--file {text!r}: permissions {mode!r} are neither ro nor rw")
    try:
        return path, Path(source).read_bytes(), permissions
    except OSError as error:
        raise typer.BadParameter(f"--file {text!r}: cannot read {source}: {error}") from error


def _full_text(data: bytes) -> str:
    # Imported late: no other command of this noun reads components itself.
    from wit.component import describe  # noqa: PLC0415 - see above
    from wit.text.from_world import world_text  # noqa: PLC0415 - see above

    return world_text(describe(data))


def _write(console: Console, text: str) -> None:
    console.print(text, end="", markup=False)


def _show(console: Console, described: ComponentDescription) -> None:
    record, exports = described.component, described.exports
    shown = table("", "")
    shown.show_header = False
    rows = {
        "name": record.name,
        "version": str(record.version),
        "type": record.type,
        "size": _size(record.size),
        "digest": record.digest,
        **_code_rows(described.code),
        **_worker_rows(described.workers),
        "uploaded": moment(record.created_at_ms),
        "snapshots": record.snapshots,
        "retry": record.retry or "as the executor has it",
        "memory": record.memory or "as the executor has it",
        "quota": record.quota or "none",
        "history": record.history,
        **({"sockets": "allowed"} if record.sockets else {}),
        **({"read-only": ", ".join(record.read_only)} if record.read_only else {}),
        **{f"env {name}": value for name, value in record.env.items()},
        **{f"file {each.path}": f"{_size(each.size)}, {each.permissions}" for each in record.files},
        **{f"link {name}": target for name, target in record.links.items()},
    }
    for name, value in rows.items():
        shown.add_row(name, value)
    console.print(shown)
    if exports:
        console.print("exports", style="bold")
    for signature in exports:
        console.print(f"  {signature}", markup=False)


def _code_rows(code: ComponentCode) -> dict[str, str]:
    if not code.modules:
        return {}
    share = code.shared_size / code.code_size if code.code_size else 0
    others = max(module.users for module in code.modules) - 1
    shared = (
        f", {share:.0%} shared with {others} other{'s' if others > 1 else ''}" if others else ""
    )
    living = f", {code.instances} in memory take {_size(code.instances_size)}"
    return {
        "code": f"{len(code.modules)} core modules, {_size(code.code_size)} compiled{shared}",
        "memory": f"{_size(code.memory_size)} for a new worker{living if code.instances else ''}",
    }


def _worker_rows(counts: ComponentWorkers) -> dict[str, str]:
    saved = f"{counts.saved} saved in {_size(counts.size)}, {_size(counts.size_max)} at most"
    still = f"they stood still for {counts.took_us_max / 1_000:.1f} ms at most"
    troubled = f"; {counts.problems} could not be saved or loaded" if counts.problems else ""
    rows = {"workers": str(counts.workers)}
    if counts.saved or counts.problems:
        rows["saved workers"] = f"{saved}; {still}{troubled}"
    return rows


def _show_world(console: Console, described: ComponentDescription) -> None:
    parts = {"exports": described.exports, "types": described.types, "imports": described.imports}
    for heading, texts in parts.items():
        if texts:
            console.print(heading, style="bold")
        for text in texts:
            console.print(textwrap.indent(text, "  "), markup=False)


def _size(count: int) -> str:
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


app.command(
    "update-workers",
    epilog="Examples: `shem component update-workers counter` · "
    "`shem component update-workers counter --version 2 --mode snapshot-based`",
)(update_workers)
