"""`shem api`: define and deploy HTTP APIs."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from shem.cli.output import Format, FormatOption, Output, table
from shem.cli.session import run
from shem.client import Client
from shem.records import Api, Deployed

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Define and deploy HTTP APIs.")

HostOption = Annotated[
    str, typer.Option(metavar="HOST", help="The host of the requests, with its port or without.")
]
NameArgument = Annotated[str, typer.Argument(metavar="ID", help="The API's id.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="Its version.")]
FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...", help="Definitions in YAML or JSON.", exists=True, dir_okay=False
    ),
]


@app.command(
    epilog="Examples: `shem api deploy shop.yaml` · `shem api deploy shop.yaml --host shop.example`"
)
def deploy(
    files: FilesArgument,
    *,
    host: HostOption = "*",
    replace: Annotated[
        bool, typer.Option("--replace", help="Instead of what is deployed there.")
    ] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Check and store definitions, and serve them at a host, on all gateways at once."""
    output = Output(format_)
    definitions = [_read(file) for file in files]

    async def work(client: Client) -> None:
        stored = [await client.apis.define(each) for each in definitions]
        names = [(each.id, each.version) for each in stored]
        deployed = await client.apis.deploy(names, host=host, replace=replace)
        output.document(deployed, lambda console: _show_site(console, deployed))

    run(output, work)


@app.command(epilog="Example: `shem api define shop.yaml`")
def define(files: FilesArgument, *, format_: FormatOption = Format.TEXT) -> None:
    """Check and store definitions without serving them."""
    output = Output(format_)
    definitions = [_read(file) for file in files]

    async def work(client: Client) -> None:
        stored = [await client.apis.define(each) for each in definitions]
        output.document(stored, lambda console: _show_apis(console, stored))

    run(output, work)


@app.command("list", epilog="Example: `shem api list -o json`")
def list_(*, format_: FormatOption = Format.TEXT) -> None:
    """List all versions of all APIs."""
    output = Output(format_)

    async def work(client: Client) -> None:
        found = await client.apis.all()
        output.document(found, lambda console: _show_apis(console, found))

    run(output, work)


@app.command(epilog="Example: `shem api get shop 1.0`")
def get(
    name: NameArgument, version: VersionArgument, *, format_: FormatOption = Format.TEXT
) -> None:
    """Show a version of an API."""
    output = Output(format_)

    async def work(client: Client) -> None:
        found = await client.apis.get(name, version)
        output.document(found, lambda console: _show_api(console, found))

    run(output, work)


@app.command(epilog="Example: `shem api sites`")
def sites(*, format_: FormatOption = Format.TEXT) -> None:
    """Show what is served where."""
    output = Output(format_)

    async def work(client: Client) -> None:
        found = await client.apis.sites()

        def text(console: Console) -> None:
            for each in found:
                _show_site(console, each)

        output.document(found, text)

    run(output, work)


@app.command(epilog="Example: `shem api delete shop 0.9`")
def delete(
    name: NameArgument, version: VersionArgument, *, format_: FormatOption = Format.TEXT
) -> None:
    """Delete a version that is served nowhere."""
    output = Output(format_)

    async def work(client: Client) -> None:
        await client.apis.remove(name, version)
        output.done(f"deleted {name}@{version}", {"deleted": {"id": name, "version": version}})

    run(output, work)


@app.command(epilog="Examples: `shem api undeploy shop` · `shem api undeploy --host shop.example`")
def undeploy(
    name: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="The API; by default all.", show_default=False),
    ] = None,
    *,
    host: HostOption = "*",
    format_: FormatOption = Format.TEXT,
) -> None:
    """Serve an API no longer at a host."""
    output = Output(format_)

    async def work(client: Client) -> None:
        await client.apis.undeploy(host=host, id_=name)
        what = f"{name} is not" if name else "nothing is"
        output.done(f"{what} served at {host} any more", {"host": host})

    run(output, work)


def _read(file: Path) -> dict[str, object]:
    # Imported late: only definitions are written in YAML. Every JSON document is YAML, too.
    import yaml  # noqa: PLC0415 - see above

    try:
        found: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise typer.BadParameter(f"{file}: {error}") from error
    try:
        return msgspec.convert(found, dict[str, object])
    except msgspec.ValidationError as error:
        reason = "expected an object with id, version and routes"
        raise typer.BadParameter(f"{file}: {reason}") from error


def _show_site(console: Console, site: Deployed) -> None:
    console.print(f"{site.host}: {', '.join(f'{each.id}@{each.version}' for each in site.apis)}")
    shown = table("METHOD", "PATH", "API")
    for each in site.routes:
        shown.add_row(each.method, each.path, each.api)
    console.print(shown)


def _show_apis(console: Console, apis: list[Api]) -> None:
    shown = table("API", "VERSION", "ROUTES", "")
    for each in apis:
        shown.add_row(each.id, each.version, str(len(each.routes)), "draft" if each.draft else "")
    console.print(shown)


def _show_api(console: Console, api: Api) -> None:
    console.print(f"{api.id}@{api.version}{' (draft)' if api.draft else ''}")
    shown = table("METHOD", "PATH", "BINDING")
    for each in api.routes:
        shown.add_row(each.method, each.path, str(each.binding.get("type", "")))
    console.print(shown)
