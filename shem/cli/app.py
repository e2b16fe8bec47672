"""The root of the command line."""

from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from shem.cli import application, component, promise, rib, wit, worker
from shem.cli.repl import repl
from shem.cli.test import run_tests
from shem.cli.up import up

__all__ = ["app", "main"]

app = typer.Typer(
    name="shem",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="WebAssembly components as durable workers on NATS JetStream.",
    epilog="The broker is named by SHEM_NATS_URL; else it is the one that `shem up` started in "
    "this directory, else the default port of this machine. SHEM_NATS_USER, _PASSWORD, _TOKEN, "
    "_CREDS, _NKEY, _CA, _CERT and _CERT_KEY say who you are.",
)
app.command(epilog="Examples: `shem up` · `shem up --executors 4 --data ./data --nats-port 4333`")(
    up
)
app.add_typer(application.app, name="app")
app.command(epilog="Example: `shem repl --component counter`")(repl)
app.command(
    "test", epilog="Examples: `shem test` · `shem test examples/counter --junit report.xml`"
)(run_tests)
app.add_typer(component.app, name="component")
app.add_typer(worker.app, name="worker")
app.add_typer(promise.app, name="promise")
app.add_typer(wit.app, name="wit")
app.add_typer(rib.app, name="rib")


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
