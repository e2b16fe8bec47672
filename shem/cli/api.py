"""`shem api`: define and deploy HTTP APIs."""

from typing import Annotated

import msgspec
import typer
from rich.console import Console

from shem.cli.api_files import FilesArgument, read_object
from shem.cli.api_security import app as security
from shem.cli.output import Format, FormatOption, Output, table
from shem.cli.session import run
from shem.client import Client
from shem.records import Api, Deployed

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Define and deploy HTTP APIs.")
app.add_typer(security, name="security")

HostOption = Annotated[
    str,
    typer.Option(
        "--host", metavar="HOST", help="The host of the requests, with its port or without."
    ),
]
NameArgument = Annotated[str, typer.Argument(metavar="ID", help="The API's id.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="Its version.")]
_EXPECTED = "id, version and routes"


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
    definitions = [read_object(file, _EXPECTED) for file in files]

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
    definitions = [read_object(file, _EXPECTED) for file in files]

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


@app.command(
    epilog="Examples: `shem api openapi shop 1.0 > shop.json` · `shem api openapi shop 1.0 -o yaml`"
)
def openapi(
    name: NameArgument,
    version: VersionArgument,
    *,
    server: Annotated[
        str, typer.Option(metavar="URL", help="Where the paths of the API begin.")
    ] = "/",
    format_: FormatOption = Format.TEXT,
) -> None:
    """Print the OpenAPI 3.1 document of a version, with all types."""
    output = Output(format_)

    async def work(client: Client) -> None:
        found = await client.apis.openapi(name, version, server=server)
        text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
        output.document(found, lambda console: console.out(text, highlight=False))

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
