"""`shem rib`: compile and run programs in the language Rib."""

import asyncio
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from msgspec import Raw, Struct
from rich.console import Console
from rich.markup import escape
from rich.status import Status

import rib as language
from shem import logging
from shem.cli.arguments import parse_pairs
from shem.cli.completion import component_names
from shem.cli.output import Format, FormatOption, Output
from shem.cli.session import FAILED, run, run_apart
from shem.client import Client
from shem.errors import BadRequestError, ShemError
from shem.scripts import CallTrace, WorkerPort, worlds
from wit.component import describe
from wit.errors import WitError
from wit.json_values import codec_for
from wit.signatures import signature
from wit.type_text import type_text
from wit.types import OptionType
from wit.values import Value
from wit.wave import format_value
from wit.world import World

__all__ = ["ComponentsOption", "app"]

app = typer.Typer(
    no_args_is_help=True, help="Run programs in Rib, the language that calls workers."
)

# An editor waits for the server at each start.
LOOK_TIMEOUT_S: Final = 1.0

ComponentsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--component",
        "-c",
        metavar="NAME",
        help="A component whose functions may be called; repeatable; by default all.",
        autocompletion=component_names,
        show_default=False,
    ),
]
ProgramArgument = Annotated[
    str, typer.Argument(metavar="EXPR", help="The program; @FILE reads a file, - stdin.")
]


@app.command(
    "eval",
    epilog="Examples: `shem rib eval '1 + 2'` · "
    "`shem rib eval 'let w = instance(\"alice\"); w.add(5)' --component counter` · "
    '`shem rib eval @script.rib --input \'{"user": "alice"}\' -o json`',
)
def eval_(
    program: ProgramArgument,
    *,
    component: ComponentsOption = None,
    input_: Annotated[
        str | None,
        typer.Option(
            "--input", metavar="JSON", help="An object with a value for each input of the program."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Idempotency key of the run: repeated with it, no call happens twice."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=0.001, help="Seconds to wait for each call.")
    ] = 30.0,
    trace: Annotated[bool, typer.Option("--trace", help="Tell of each call on stderr.")] = False,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Compile a program against the components, run it, print its value."""
    output = Output(format_)
    text = _read(program)
    given = _inputs(input_)
    run_key = key or secrets.token_hex(16)
    if not component:
        alone = _compile_alone(output, text, given)
        if alone is not None:
            run_apart(output, lambda: _evaluate_alone(output, alone, given, run_key))
            return

    async def work(client: Client) -> None:
        compiled = _compile(output, text, await worlds(client, component or ()))
        values = _decode_inputs(compiled, given)
        with Status("running", console=output.messages) as status:
            watch = _watch(output, status, trace=trace)
            port = WorkerPort(client, run_key, timeout_s=timeout, watch=watch)
            try:
                value = await _run(output, compiled, port, values)
            except (typer.Exit, asyncio.CancelledError):
                output.note(f"the run has the key {run_key}: with it, nothing is done twice")
                raise
        _print(output, compiled, value, run_key)

    run(output, work)


@app.command(epilog="Example: `shem rib check @script.rib --component counter`")
def check(
    program: ProgramArgument,
    *,
    component: ComponentsOption = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Compile a program and tell what it needs and gives; all errors at once."""
    output = Output(format_)
    text = _read(program)

    async def work(client: Client) -> None:
        compiled = _compile(output, text, await worlds(client, component or ()))
        found = Report(
            result=None if compiled.result is None else type_text(compiled.result),
            inputs={each.name: type_text(each.type) for each in compiled.inputs},
            functions=tuple(
                f"{use.component}: {signature(use.function)}" for use in compiled.functions
            ),
            warnings=compiled.warnings,
        )
        output.document(found, lambda console: _show(console, found))

    run(output, work)


class Report(Struct, frozen=True):
    """What a program needs and gives."""

    result: str | None
    inputs: dict[str, str]
    functions: tuple[str, ...]
    warnings: tuple[language.Diagnostic, ...]


def _show(console: Console, report: Report) -> None:
    console.print(f"result: {report.result or 'no value'}", markup=False)
    for name, type_ in report.inputs.items():
        console.print(f"input {name}: {type_}", markup=False)
    for function in report.functions:
        console.print(f"calls {function}", markup=False)


def _read(program: str) -> str:
    try:
        if program == "-":
            return sys.stdin.read()
        if program.startswith("@"):
            return Path(program[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{program}: {error}") from error
    return program


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        # Longer than a name may be.
        return False


def _inputs(text: str | None) -> Mapping[str, object]:
    if text is None:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise typer.BadParameter(f"--input: expected a JSON object: {error}") from error


def _compile_alone(
    output: Output, text: str, given: Mapping[str, object]
) -> language.Program | None:
    """Return a program that needs no running system; None if it does, or if names are unknown."""
    try:
        program = language.compile(text, tolerant=True)
    except language.CompileError as error:
        if any(each.code in language.PARSE_CODES for each in error.diagnostics):
            _tell(output, error.diagnostics, text)
            raise typer.Exit(FAILED) from error
        return None
    return program if all(each.name in given for each in program.inputs) else None


async def _evaluate_alone(
    output: Output, program: language.Program, given: Mapping[str, object], key: str
) -> None:
    values = _decode_inputs(program, given)
    value = await _run(output, program, language.NO_WORKERS, values)
    _print(output, program, value, key)


async def _run(
    output: Output, program: language.Program, port: language.Port, values: Mapping[str, Value]
) -> Value:
    try:
        return await program.run(port, values)
    except language.RunError as error:
        _tell(output, [error.diagnostic], program.text)
        raise typer.Exit(FAILED) from error


def _compile(output: Output, text: str, components: Mapping[str, World]) -> language.Program:
    try:
        compiled = language.compile(text, components, tolerant=True)
    except language.CompileError as error:
        _tell(output, error.diagnostics, text)
        raise typer.Exit(FAILED) from error
    if compiled.warnings:
        output.note(language.report(compiled.warnings, text))
    return compiled


def _tell(output: Output, findings: Sequence[language.Diagnostic], text: str) -> None:
    """Tell what is wrong with a program: to people on stderr, to programs as the document."""
    output.note(language.report(findings, text))
    if _is_file(text):
        output.note(f"hint: this is the name of a file, @{text} reads it")
    if any(each.code is language.Code.AMBIGUOUS_FUNCTION for each in findings):
        output.note("hint: --component NAME has only that one's functions in scope")
    if output.format is not Format.TEXT:
        message = "\n\n".join(map(str, findings))
        error = {"kind": findings[0].code.value, "message": message, "diagnostics": findings}
        output.document({"error": error}, lambda _: None)


def _decode_inputs(program: language.Program, given: Mapping[str, object]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for each in program.inputs:
        if each.name in given:
            try:
                values[each.name] = codec_for(each.type).from_json(given[each.name], root=each.name)
            except WitError as error:
                raise BadRequestError(f"--input: {error}", kind="bad-input") from error
        elif isinstance(each.type, OptionType):
            values[each.name] = None
    missing = [each for each in program.inputs if each.name not in values]
    if missing:
        names = ", ".join(f"{each.name}: {type_text(each.type)}" for each in missing)
        raise BadRequestError(f"--input: the program needs {names}", kind="missing-input")
    return values


def _watch(output: Output, status: Status, *, trace: bool) -> Callable[[CallTrace], None]:
    """Show what runs while it runs; with `trace` keep a line for each call."""

    def watch(call: CallTrace) -> None:
        text = f"{call.component}/{call.worker} {call.function}{call.arguments}"
        if call.state == "started":
            status.update(escape(text))
        elif trace:
            output.note(f"{text} -> {call.outcome or call.state} ({call.took_s * 1e3:.1f} ms)")

    return watch


def _print(output: Output, program: language.Program, value: Value, key: str) -> None:
    type_ = program.result
    if type_ is None:
        output.document({"result": None, "type": None, "key": key}, lambda _: None)
        return
    try:
        wave = format_value(value, type_)
        document = {"result": Raw(codec_for(type_).encode(value)), "type": type_text(type_)}
    except WitError as error:
        raise BadRequestError(f"the value cannot be shown: {error}", kind="bad-result") from error
    output.document({**document, "key": key}, lambda console: console.print(wave, markup=False))


@app.command(
    epilog="Example, as the command of an editor's language server: `shem rib lsp`. The components "
    "are those of the running system, if there is one, and the files that are named here."
)
def lsp(
    *,
    component: ComponentsOption = None,
    file: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="A component's .wasm file; repeatable."),
    ] = None,
    gateway: Annotated[
        bool, typer.Option("--gateway", help="Programs may read `request`, and nothing else.")
    ] = False,
) -> None:
    """Serve an editor on stdin and stdout: diagnostics, types on hover, completion."""
    # Imported late: no other command needs the protocol.
    from shem.scripts.language_server import make_server  # noqa: PLC0415 - see above

    logging.set_up("warning")
    known = {**_running(component), **_from_files(parse_pairs("--file", file))}
    globals_ = language.GATEWAY_GLOBALS if gateway else language.ANY_GLOBALS
    make_server(installed_version("shem"), known, globals_).start_io()


def _running(names: list[str] | None) -> dict[str, World]:
    """Return the components of the running system; none if nothing runs and none is asked for."""

    async def ask() -> dict[str, World]:
        async with await Client.connect(timeout_s=LOOK_TIMEOUT_S) as client:
            return await worlds(client, names or ())

    try:
        return asyncio.run(ask())
    except ShemError as error:
        if names:
            raise typer.BadParameter(f"--component: {error}") from error
        return {}


def _from_files(files: Mapping[str, str]) -> dict[str, World]:
    found: dict[str, World] = {}
    for name, file in files.items():
        try:
            found[name] = describe(Path(file).read_bytes())
        except (OSError, WitError) as error:
            raise typer.BadParameter(f"--file {name}={file}: {error}") from error
    return found
