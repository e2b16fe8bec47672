"""Running a command: connect, work, disconnect; errors become messages and exit statuses."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import typer

from broker.errors import BrokerError, UnavailableError
from shem import logging, telemetry
from shem.cli.output import FAILED, Output
from shem.cli.suggest import suggest
from shem.client import Client
from shem.errors import RefusedError, ShemError
from shem.errors import UnavailableError as ShemUnavailableError

__all__ = ["FAILED", "run", "run_apart"]

T = TypeVar("T")

# Long enough for a broker that is just being restarted; people wait for the answer.
CONNECT_TIMEOUT_S: Final = 4.0


def run(
    output: Output,
    work: Callable[[Client], Awaitable[None]],
    *,
    component: str | None = None,
    worker: str | None = None,
    call: str | None = None,
) -> None:
    """Run `work` with a connected client; leave with status 1 if it fails.

    The names are what the user typed: an error about one of them is told with what is like it.
    """
    logging.set_up("warning")
    end_tracing = telemetry.set_up("shem-cli")

    async def session() -> None:
        async with await Client.connect(timeout_s=CONNECT_TIMEOUT_S) as client:
            try:
                await work(client)
            except ShemError as error:
                hint = await suggest(client, error, component=component, worker=worker, call=call)
                output.fail(error, hint)
                raise typer.Exit(FAILED) from error

    try:
        asyncio.run(session())
    except ShemError as error:
        output.fail(error)
        raise typer.Exit(FAILED) from error
    finally:
        end_tracing()


def run_apart(output: Output, work: Callable[[], Awaitable[T]]) -> T:
    """Run `work`, which connects by itself; leave with status 1 if it fails."""
    logging.set_up("error")

    async def main() -> T:
        return await work()

    try:
        return asyncio.run(main())
    except ShemError as error:
        output.fail(error)
        raise typer.Exit(FAILED) from error
    except BrokerError as error:
        told: ShemError = RefusedError(str(error), kind="broker-refused")
        if isinstance(error, UnavailableError):
            told = ShemUnavailableError(str(error), kind="unavailable")
        output.fail(told)
        raise typer.Exit(FAILED) from error
