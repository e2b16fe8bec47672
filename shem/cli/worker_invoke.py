"""`shem worker invoke`."""

import asyncio
from datetime import datetime
from typing import Annotated

import msgspec
import typer
from msgspec import Raw
from rich.console import Console

from shem.cli.arguments import WorkerId, WorkerIdArgument, parse_moment, parse_pairs
from shem.cli.completion import functions
from shem.cli.output import Format, FormatOption, Output
from shem.cli.session import run
from shem.cli.suggest import FUNCTIONS_SHOWN_MAX, version_of
from shem.client import Client, Outcome
from shem.client.worker import new_key

__all__ = ["invoke"]

USAGE = 2


def invoke(
    worker: WorkerIdArgument,
    call: Annotated[
        str | None,
        typer.Argument(
            metavar="CALL",
            help="A WAVE call like 'add(5)', or a function's name with --params.",
            show_default=False,
            autocompletion=functions,
        ),
    ] = None,
    *,
    params: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Parameters: an array, or an object by name."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Idempotency key: the same one is executed once, ever."),
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Return when the invocation is durable.")
    ] = False,
    at: Annotated[
        datetime | None,
        typer.Option(parser=parse_moment, metavar="RFC3339", help="Invoke at a later time."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=0.001, help="Seconds to wait for the result.")
    ] = 30.0,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V", help="Environment, if this creates the worker; repeatable."),
    ] = None,
    arg: Annotated[
        list[str] | None,
        typer.Option(metavar="A", help="Argument, if this creates the worker; repeatable."),
    ] = None,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Invoke a function and print its result; the worker is created if it does not exist."""
    output = Output(format_)
    environment = parse_pairs("--env", env)
    if call is None:
        _list_functions(output, worker)
        raise typer.Exit(USAGE)
    payload = _payload(call, params)

    async def work(client: Client) -> None:
        handle = client.worker(worker.component, worker.worker)
        if at is not None:
            chosen = await handle.schedule(payload, at=at, key=key)
            output.done(f"scheduled with key {chosen}", {"key": chosen, "at": at.isoformat()})
        elif no_wait:
            chosen = await handle.send(payload, key=key, env=environment, args=arg or [])
            output.done(f"accepted with key {chosen}", {"key": chosen})
        else:
            chosen = new_key() if key is None else key
            try:
                outcome = await handle.call(
                    payload, key=chosen, timeout_s=timeout, env=environment, args=arg or []
                )
            except asyncio.CancelledError:
                output.note(f"stopped waiting; with --key {chosen} the outcome can be asked for")
                raise
            outcome.check()
            _print(output, outcome)

    run(output, work, component=worker.component, worker=worker.worker, call=call)


def _payload(call: str, params: str | None) -> bytes:
    if params is None:
        # A bare name is a call without parameters.
        return (call if "(" in call else f"{call}()").encode()
    try:
        decoded = msgspec.json.decode(params)
    except msgspec.DecodeError as error:
        raise typer.BadParameter(f"--params: {error}; expected a JSON array or object") from error
    if not isinstance(decoded, list | dict):
        raise typer.BadParameter(f"--params {params}: expected a JSON array or object")
    # The text itself goes on the wire: numbers beyond 64-bit floats must survive.
    return msgspec.json.encode({"function": call, "params": Raw(params.encode())})


def _print(output: Output, outcome: Outcome) -> None:
    result = outcome.result if isinstance(outcome.result, Raw) else None

    def text(console: Console) -> None:
        if outcome.wave is not None:
            console.print(outcome.wave, markup=False)
        elif result is not None:
            console.print(bytes(result).decode(), markup=False)

    output.document({"result": result}, text)


def _list_functions(output: Output, worker: WorkerId) -> None:
    async def work(client: Client) -> None:
        version = await version_of(client, worker.component, worker.worker)
        described = await client.components.describe(worker.component, version)
        output.note(f"a call is missing; {worker.component} exports")
        for signature in described.exports[:FUNCTIONS_SHOWN_MAX]:
            output.note(f"  {signature}")

    run(output, work, component=worker.component)
