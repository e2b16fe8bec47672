"""Running a command: connect, work, disconnect; errors become messages and exit statuses."""

import asyncio
import signal
import threading
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

__all__ = ["FAILED", "SIGNALLED", "reach", "run", "run_apart"]

T = TypeVar("T")

# Long enough for a broker that is just being restarted; people wait for the answer.
CONNECT_TIMEOUT_S: Final = 4.0
# The exit status of a process that a signal has ended is this and its number.
SIGNALLED: Final = 128


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


def reach(output: Output) -> None:
    """See that a broker answers, before long work that is for nothing without one."""

    async def nothing(_: Client) -> None:
        pass

    run(output, nothing)


def run_apart(output: Output, work: Callable[[], Awaitable[T]]) -> T:
    """Run `work`, which connects by itself; leave with status 1 if it fails.

    Whatever ends us in order is an interrupt to it: it may have to put things back.
    """
    logging.set_up("error")
    ended_by: list[int] = []

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None, "we are one"

        def end(number: int) -> None:
            ended_by.append(number)
            task.cancel()

        for number in _signals_to_end():
            asyncio.get_running_loop().add_signal_handler(number, end, number)
        return await work()

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        if not ended_by:
            raise
        raise typer.Exit(SIGNALLED + ended_by[0]) from None
    except ShemError as error:
        output.fail(error)
        raise typer.Exit(FAILED) from error
    except BrokerError as error:
        told: ShemError = RefusedError(str(error), kind="broker-refused")
        if isinstance(error, UnavailableError):
            told = ShemUnavailableError(str(error), kind="unavailable")
        output.fail(told)
        raise typer.Exit(FAILED) from error


def _signals_to_end() -> list[signal.Signals]:
    """Return what ends us besides an interrupt; signals are the main thread's alone."""
    if threading.current_thread() is not threading.main_thread():
        return []
    both = (signal.SIGTERM, signal.SIGHUP)
    return [number for number in both if signal.getsignal(number) is not signal.SIG_IGN]
