"""The root of the command line."""

from importlib.metadata import version as installed_version
from typing import Annotated, ClassVar

import typer

from shem.cli.lazy import LazyCommand, LazyGroup

__all__ = ["app", "main"]


class _Root(LazyGroup):
    lazy: ClassVar = {
        "up": LazyCommand(
            "shem.cli.up",
            "up",
            "Examples: `shem up` · `shem up --executors 4 --data ./data --nats-port 4333`",
        ),
        "app": LazyCommand("shem.cli.application", "app"),
        "api": LazyCommand("shem.cli.api", "app"),
        "component": LazyCommand("shem.cli.component", "app"),
        "worker": LazyCommand("shem.cli.worker", "app"),
        "promise": LazyCommand("shem.cli.promise", "app"),
        "wit": LazyCommand("shem.cli.wit", "app"),
        "rib": LazyCommand("shem.cli.rib", "app"),
        "repl": LazyCommand("shem.cli.repl", "repl", "Example: `shem repl --component counter`"),
        "test": LazyCommand(
            "shem.cli.test",
            "run_tests",
            "Examples: `shem test` · `shem test examples/counter --junit report.xml`",
        ),
    }


app = typer.Typer(
    name="shem",
    cls=_Root,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="WebAssembly components as durable workers on NATS JetStream.",
    epilog="The broker is named by SHEM_NATS_URL; else it is the one that `shem up` started in "
    "this directory, else the default port of this machine. SHEM_NATS_USER, _PASSWORD, _TOKEN, "
    "_CREDS, _NKEY, _CA, _CERT and _CERT_KEY say who you are.",
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - the signature of an option's callback
    if wanted:
        typer.echo(f"shem {installed_version('shem')}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""
    del version


def main() -> None:
    """Run the command line; exit status 0: done, 1: refused or failed, 2: wrong usage."""
    app(prog_name="shem")
