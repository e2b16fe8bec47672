"""`shem wit`: WIT text, components and values, without any server."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from shem.cli.output import Format, FormatOption, Output

__all__ = ["Notation", "app"]

app = typer.Typer(no_args_is_help=True, help="Check, print, compare and convert WIT.")

SourceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="A WIT file, a folder with WIT files and deps/, a component, or a core module with "
        "a world in it; - is stdin.",
        show_default=False,
    ),
]
WorldOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Which world, if there are several.", show_default=False),
]
FeatureOption = Annotated[
    list[str] | None,
    typer.Option(
        "--feature", metavar="NAME", help="An unstable feature that exists; repeatable. * is all."
    ),
]


class Notation(StrEnum):
    """How a value is written."""

    WAVE = "wave"
    JSON = "json"
    NODES = "nodes"
    TYPED = "typed"
    PACKED = "packed"


@app.command(epilog="Examples: `shem wit check wit/` · `shem wit check counter.wasm -o json`")
def check(
    path: SourceArgument, *, feature: FeatureOption = None, format_: FormatOption = Format.TEXT
) -> None:
    """Tell whether WIT or a component is right, and what is in it; status 1 if it is not."""
    from shem.cli import wit_work  # noqa: PLC0415 - the toolkit is slow to import

    wit_work.check(Output(format_), path, feature or ())


@app.command(
    "print",
    epilog="Examples: `shem wit print counter.wasm` · `shem wit print wit/ --world shop`",
)
def print_(
    path: SourceArgument,
    *,
    world: WorldOption = None,
    dependencies: Annotated[
        bool, typer.Option("--deps", help="The packages in deps/ too, as blocks.")
    ] = False,
    feature: FeatureOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Print a component, a package, or one world with all that it needs, as one WIT text."""
    from shem.cli import wit_work  # noqa: PLC0415 - the toolkit is slow to import

    wit_work.print_(Output(format_), path, feature or (), world=world, dependencies=dependencies)


@app.command(
    epilog="Examples: `shem wit compat old.wasm new.wasm` · "
    "`shem wit compat v1/wit v2/wit --world shop --strict`",
)
def compat(
    old: SourceArgument,
    new: SourceArgument,
    *,
    world: WorldOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Status 1 also if only linked components break.")
    ] = False,
    feature: FeatureOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Tell whether those who use OLD can use NEW; status 1 if something breaks."""
    from shem.cli import wit_work  # noqa: PLC0415 - the toolkit is slow to import

    refused = ("breaking", "messages") if strict else ("breaking",)
    wit_work.compare(Output(format_), old, new, feature or (), world=world, refused=refused)


@app.command(
    epilog="Examples: `shem wit client counter.wasm` · "
    "`shem wit client wit/ --world shop --ephemeral > deps/shop-client.wit`"
)
def client(
    path: SourceArgument,
    *,
    world: WorldOption = None,
    package: Annotated[
        str | None,
        typer.Option(
            metavar="NS:NAME[@VERSION]",
            help="The package of the world; by default that of the text, or of the first "
            "interface that a component exports.",
            show_default=False,
        ),
    ] = None,
    ephemeral: Annotated[
        bool, typer.Option("--ephemeral", help="Workers of the component live for one call.")
    ] = False,
    feature: FeatureOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Print the WIT with which other components call workers of this one."""
    from shem.cli import wit_work  # noqa: PLC0415 - the toolkit is slow to import

    wit_work.client(
        Output(format_), path, feature or (), world=world, package=package, ephemeral=ephemeral
    )


@app.command(
    epilog="Examples: `shem wit convert '[1, 2]' --type 'list<u8>'` · "
    "`shem wit convert 'add(5)' --in counter.wasm`"
)
def convert(
    value: Annotated[
        str,
        typer.Argument(
            metavar="VALUE",
            help="A value, or with --in alone a call, in WAVE or JSON; - is stdin.",
            show_default=False,
        ),
    ],
    *,
    type_: Annotated[
        str | None,
        typer.Option(
            "--type", metavar="TYPE", help="What the value is, like list<u8>.", show_default=False
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            "--in",
            metavar="PATH",
            help="WIT or a component, whose types and functions may be named.",
            show_default=False,
        ),
    ] = None,
    world: WorldOption = None,
    to: Annotated[
        Notation | None,
        typer.Option(
            help="By default JSON for WAVE, WAVE for JSON; nodes is the form of golem:rpc, typed "
            "is JSON with the type, packed the compact form in hexadecimal.",
            show_default=False,
        ),
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Write a value or a call in another notation, after checking it against its type."""
    from shem.cli import wit_convert  # noqa: PLC0415 - the toolkit is slow to import

    if type_ is None and path is None:
        raise typer.BadParameter("name a type by --type, or where a function is by --in")
    wit_convert.convert(Output(format_), value, type_, path, world=world, to=to)
