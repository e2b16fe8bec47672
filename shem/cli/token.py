"""`shem token`: who may use the management API of gateways."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from shem.cli.arguments import parse_moment
from shem.cli.output import Format, FormatOption, Output, table
from shem.cli.session import run
from shem.client import Client

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Tokens for the management API of gateways.")


class RoleName(StrEnum):
    """What a token lets its bearer do; each includes the one before."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


@app.command(epilog="Example: `shem token create ci --role admin`")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whom or what it is for.")],
    *,
    role: Annotated[
        RoleName,
        typer.Option(help="viewer reads, operator also runs workers, admin does everything."),
    ] = RoleName.VIEWER,
    expires: Annotated[
        datetime | None,
        typer.Option(
            parser=parse_moment, metavar="RFC3339", help="When it ends.", show_default=False
        ),
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Make a token; its secret is told once, and kept nowhere."""
    output = Output(format_)
    ends = None if expires is None else int(expires.timestamp() * 1000)

    async def work(client: Client) -> None:
        made = await client.tokens.create(name, role.value, expires_at_ms=ends)
        output.document(made, lambda console: console.print(made.secret, markup=False))

    run(output, work)


@app.command("list", epilog="Example: `shem token list -o json`")
def list_(*, format_: FormatOption = Format.TEXT) -> None:
    """List all tokens, without their secrets."""
    output = Output(format_)

    async def work(client: Client) -> None:
        found = await client.tokens.all()

        def text(console: Console) -> None:
            shown = table("ID", "NAME", "ROLE")
            for each in found:
                shown.add_row(each.id, each.name, each.role)
            console.print(shown)

        output.document(found, text)

    run(output, work)


@app.command(epilog="Example: `shem token revoke 5f2b61a09c3e`")
def revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="As `shem token list` shows it.")],
    *,
    format_: FormatOption = Format.TEXT,
) -> None:
    """End a token: it counts no more, on all gateways at once."""
    output = Output(format_)

    async def work(client: Client) -> None:
        await client.tokens.revoke(id_)
        output.done(f"revoked {id_}", {"revoked": id_})

    run(output, work)
