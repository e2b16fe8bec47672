"""`shem api security`: who may use HTTP APIs."""

from typing import Annotated

import msgspec
import typer
from rich.console import Console

from shem.cli.api_files import FilesArgument, read_object
from shem.cli.output import Format, FormatOption, Output, table
from shem.cli.session import run
from shem.client import Client

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Security schemes: who may use HTTP APIs.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The scheme's name.")]


@app.command(epilog="Example: `shem api security define company.yaml`")
def define(files: FilesArgument, *, format_: FormatOption = Format.TEXT) -> None:
    """Store schemes, or change them for all APIs that use them."""
    output = Output(format_)
    schemes = [read_object(file, "name and type") for file in files]

    async def work(client: Client) -> None:
        stored = [await client.apis.define_scheme(each) for each in schemes]
        output.document(stored, lambda console: _show(console, stored))

    run(output, work)


@app.command("list", epilog="Example: `shem api security list`")
def list_(*, format_: FormatOption = Format.TEXT) -> None:
    """List all schemes, without their secrets."""
    output = Output(format_)

    async def work(client: Client) -> None:
        found = await client.apis.schemes()
        output.document(found, lambda console: _show(console, found))

    run(output, work)


@app.command(epilog="Example: `shem api security get company`")
def get(name: NameArgument, *, format_: FormatOption = Format.TEXT) -> None:
    """Show a scheme, without its secrets."""
    output = Output(format_)

    async def work(client: Client) -> None:
        found = await client.apis.scheme(name)
        text = msgspec.json.format(msgspec.json.encode(found), indent=2).decode()
        output.document(found, lambda console: console.out(text, highlight=False))

    run(output, work)


@app.command(epilog="Example: `shem api security delete company`")
def delete(name: NameArgument, *, format_: FormatOption = Format.TEXT) -> None:
    """Delete a scheme that no deployed API uses."""
    output = Output(format_)

    async def work(client: Client) -> None:
        await client.apis.remove_scheme(name)
        output.done(f"deleted {name}", {"deleted": name})

    run(output, work)


def _show(console: Console, schemes: list[dict[str, object]]) -> None:
    shown = table("NAME", "TYPE", "ISSUER")
    for each in schemes:
        issuer = each.get("issuer") or each.get("provider") or ""
        shown.add_row(str(each["name"]), str(each["type"]), str(issuer))
    console.print(shown)
