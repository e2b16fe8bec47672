"""The root of the command line."""

import io
import os
import sys
from typing import Annotated, ClassVar, Final

import typer

from shem.cli.bash_completion import names_with_colons
from shem.cli.lazy import LazyCommand, LazyGroup
from shem.standard_streams import open_standard_streams

__all__ = ["app", "main"]

_WRONG_USAGE: Final = 2


class _Root(LazyGroup):
    lazy: ClassVar = {
        "up": LazyCommand(
            "shem.cli.up",
            "up",
            "Start everything in the foreground; Ctrl-C or SIGTERM stops it in order.",
            epilog="Examples: `shem up` · `shem up --executors 4 --data ./data --nats-port 4333`",
        ),
        "app": LazyCommand(
            "shem.cli.application", "app", "Build and deploy an app by its manifest, shem.yaml."
        ),
        "plugin": LazyCommand(
            "shem.cli.plugin",
            "app",
            "Plugins of an app: what changes components between their build and upload.",
        ),
        "api": LazyCommand("shem.cli.api", "app", "Define and deploy HTTP APIs."),
        "component": LazyCommand("shem.cli.component", "app", "Upload and manage components."),
        "worker": LazyCommand("shem.cli.worker", "app", "Invoke, watch and control workers."),
        "secret": LazyCommand(
            "shem.cli.secret",
            "app",
            "Secrets of components, encrypted by executors; guests read them as `secret:NAME` by "
            "`wasi:config/store`.",
        ),
        "token": LazyCommand("shem.cli.token", "app", "Tokens for the management API of gateways."),
        "promise": LazyCommand("shem.cli.promise", "app", "Complete promises of workers."),
        "deploy": LazyCommand("shem.cli.deploy", "app", "Make what a deployment needs."),
        "oplog": LazyCommand("shem.cli.oplog", "app", "Verify and repair the journals of workers."),
        "backup": LazyCommand(
            "shem.cli.backup", "app", "Make, verify and restore backups of a whole deployment."
        ),
        "streams": LazyCommand(
            "shem.cli.streams",
            "app",
            "See the streams that hold mailboxes and logs, and make more.",
        ),
        "doctor": LazyCommand(
            "shem.cli.doctor",
            "doctor",
            "Check a running deployment; exit status 0: it is well, 1: it is not.",
            epilog="Examples: `shem doctor` · `shem doctor --replicas 3 --executors 2 --strict`",
        ),
        "wit": LazyCommand("shem.cli.wit", "app", "Check, print, compare and convert WIT."),
        "rib": LazyCommand(
            "shem.cli.rib", "app", "Run programs in Rib, the language that calls workers."
        ),
        "repl": LazyCommand(
            "shem.cli.repl",
            "repl",
            "Talk to workers in Rib: each line runs once, variables stay, Tab completes.",
            epilog="Example: `shem repl --component counter`",
        ),
        "test": LazyCommand(
            "shem.cli.test",
            "run_tests",
            "Run the tests in `.rib` files; exit status 1 if one fails, 2 if there are none.",
            epilog="Examples: `shem test` · `shem test examples/counter --junit report.xml`",
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
    "_CREDS, _NKEY, _CA, _CERT, _CERT_KEY and _INBOX say who you are.",
)


def _version(wanted: bool) -> None:  # noqa: FBT001 - the signature of an option's callback
    if wanted:
        from importlib.metadata import (  # noqa: PLC0415 - other commands need not import it
            version as installed_version,
        )

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
    open_standard_streams()
    _write_any_text()
    try:
        with names_with_colons():
            app(prog_name="shem")
    except UnicodeEncodeError:
        # Names of files may be any bytes; everything else is sent as text.
        wrong = next((each for each in sys.argv if not _is_text(each)), None)
        if wrong is None:
            raise
        typer.echo(f"Error: the argument {os.fsencode(wrong)!r} is no UTF-8", err=True)
        sys.exit(_WRONG_USAGE)


def _write_any_text() -> None:
    """Have no name of a worker end a command: what the terminal cannot show is escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_text(argument: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in argument)
