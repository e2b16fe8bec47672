"""`shem test`: run test files in Rib against a throw-away system."""

import asyncio
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape

from shem import logging
from shem.cli.arguments import parse_pairs
from shem.cli.output import Format, FormatOption, Output
from shem.cli.session import FAILED
from shem.errors import ShemError
from shem.scripts.junit import junit
from shem.scripts.testing import Outcome, Suite, find_suites, run_suites
from shem.scripts.throwaway import throwaway

__all__ = ["run_tests"]

_NO_TESTS: Final = 2


def run_tests(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Test files, or folders to search for them.", exists=True),
    ] = None,
    *,
    component: Annotated[
        list[str] | None,
        typer.Option(
            "--component",
            "-c",
            metavar="NAME=FILE",
            help="A component for the tests, instead of the file they name; repeatable.",
        ),
    ] = None,
    select: Annotated[
        str, typer.Option("-k", metavar="TEXT", help="Only tests whose names contain this.")
    ] = "",
    junit_file: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write a JUnit report.", dir_okay=False),
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Run the tests in `.rib` files; exit status 1 if one fails, 2 if there are none."""
    output = Output(format_)
    given = {name: Path(file) for name, file in parse_pairs("--component", component).items()}
    for file in given.values():
        if not file.is_file():
            raise typer.BadParameter(f"--component: there is no file {file}")
    if junit_file is not None:
        # Before the tests have run: after them the report would be lost.
        try:
            junit_file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise typer.BadParameter(f"--junit: {junit_file.parent}: {error.strerror}") from error
    suites, outcomes = find_suites(paths or [Path()], select)
    if not outcomes and not any(suite.tests for suite in suites):
        output.note("no tests found")
        raise typer.Exit(_NO_TESTS)
    for each in outcomes:
        _tell(output, each)
    logging.set_up("warning")
    try:
        outcomes += asyncio.run(_run(output, suites, given))
    except ShemError as error:
        output.fail(error)
        raise typer.Exit(FAILED) from error
    if junit_file is not None:
        junit_file.write_bytes(junit(outcomes))
    failed = sum(bool(each.failure) for each in outcomes)
    output.document(outcomes, lambda console: _summary(console, len(outcomes), failed))
    if failed:
        raise typer.Exit(FAILED)


async def _run(output: Output, suites: list[Suite], given: dict[str, Path]) -> list[Outcome]:
    if not any(suite.tests for suite in suites):
        return []
    async with throwaway() as client:
        return await run_suites(client, suites, given, lambda each: _tell(output, each))


def _tell(output: Output, outcome: Outcome) -> None:
    """Tell of a test as it ends: stdout has the summary, or the one document."""
    mark = "[red]failed[/]" if outcome.failure else "[green]passed[/]"
    name = escape(f"{outcome.file}: {outcome.test}" if outcome.test else outcome.file)
    output.messages.print(f"{mark} {name} ({outcome.took_s * 1e3:.0f} ms)")
    if outcome.failure:
        output.note(outcome.failure)


def _summary(console: Console, count: int, failed: int) -> None:
    console.print(f"{count - failed} passed, {failed} failed")
