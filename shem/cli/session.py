"""Running a command: connect, work, disconnect; errors become messages and exit statuses."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import typer

from shem import logging, telemetry
from shem.cli.output import FAILED, Output
from shem.cli.suggest import suggest
from shem.client import Client
from shem.errors import ShemError

__all__ = ["FAILED", "run"]

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
