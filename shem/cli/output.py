"""What a command prints: its data on stdout in the chosen format, everything else on stderr."""

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any, Final, TextIO, final

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shem.errors import ShemError

__all__ = ["FAILED", "Format", "FormatOption", "Output", "table"]


FAILED: Final = 1
"""The exit status of a command that the worker or the server refused, or that failed."""


_PIPE_WIDTH: Final = 1_000_000
"""More than any row has."""


class Format(StrEnum):
    """How data is printed."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


FormatOption = Annotated[
    Format, typer.Option("--output", "-o", help="Format of the data on stdout.")
]

Text = Callable[[Console], None]


@final
class Output:
    """Prints one document, or a stream of items."""

    def __init__(self, format_: Format) -> None:
        self.format = format_
        self._stdout = _console(sys.stdout)
        self._stderr = _console(sys.stderr)

    @property
    def shows_progress(self) -> bool:
        """Whether somebody watches who would like a progress bar."""
        return self._stderr.is_terminal

    @property
    def messages(self) -> Console:
        """Where everything goes that is not data."""
        return self._stderr

    def document(self, value: object, text: Text) -> None:
        """Print the one document of a command: `value` as JSON or YAML, or what `text` writes."""
        match self.format:
            case Format.JSON:
                self._write(msgspec.json.encode(value).decode())
            case Format.YAML:
                self._write(_yaml(value).rstrip("\n"))
            case Format.TEXT:
                with _onto_stdout():
                    text(self._stdout)
                    sys.stdout.flush()

    def item(self, value: object, text: str) -> None:
        """Print one item of an endless stream: a line of JSON, a YAML document, or `text`."""
        match self.format:
            case Format.JSON:
                self._write(msgspec.json.encode(value).decode())
            case Format.YAML:
                self._write("---\n" + _yaml(value).rstrip("\n"))
            case Format.TEXT:
                self._write(text)

    @contextmanager
    def items(self) -> Generator[Callable[[object, str], None]]:
        """Print a list that has an end, item by item: one JSON array, one YAML list, or lines.

        After an error there is no document but that of the error.
        """
        match self.format:
            case Format.TEXT:
                yield self.item
            case Format.JSON | Format.YAML:
                collected: list[object] = []
                yield lambda value, _: collected.append(value)
                self.document(collected, lambda _: None)

    def done(self, message: str, value: object) -> None:
        """Print that a command without data of its own is done: `value` is its document."""
        self.document(value, lambda console: console.print(message, markup=False))

    def note(self, message: str) -> None:
        """Tell something that is no data."""
        self._stderr.print(message, markup=False)

    def fail(self, error: ShemError, hint: str | None = None) -> None:
        """Tell an error: to people on stderr, to programs as the document on stdout."""
        self._stderr.print(f"[bold red]error[/] ({escape(error.kind)}): {escape(str(error))}")
        if hint:
            self._stderr.print(f"[bold]hint[/]: {escape(hint)}")
        if self.format is not Format.TEXT:
            body: dict[str, object] = {"kind": error.kind, "message": str(error)}
            self.document({"error": body}, lambda _: None)

    def _write(self, text: str) -> None:
        with _onto_stdout():
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


@contextmanager
def _onto_stdout() -> Generator[None]:
    """Leave with status 1 where nothing can be written; who has closed a pipe knows."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        typer.echo(f"error: cannot write to stdout: {error.strerror}", err=True)
        # What is left would be tried again when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(FAILED) from error


def _console(file: TextIO) -> Console:
    # Rich drops colours and cursor movements by itself when it does not write to a terminal.
    # Soft wrapping keeps long lines whole for whoever reads them from a pipe, and the width rows of
    # tables: a name on two lines is found by nobody. Without `emoji` a name such as demo:one: is
    # no picture.
    width = None if file.isatty() else _PIPE_WIDTH
    return Console(file=file, soft_wrap=True, highlight=False, emoji=False, width=width)


def table(*columns: str) -> Table:
    """Return a plain table for text output."""
    made = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def _yaml(value: object) -> str:
    # Imported late: most commands do not print YAML.
    import yaml  # noqa: PLC0415 - see above

    plain: Any = msgspec.json.decode(msgspec.json.encode(value))
    text: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True)
    return text
