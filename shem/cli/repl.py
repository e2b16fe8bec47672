"""`shem repl`: a prompt for Rib."""

import asyncio
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import final

import typer

import rib
from shem.cli.output import Format, Output
from shem.cli.repl_terminal import Terminal
from shem.cli.rib import ComponentsOption
from shem.cli.session import FAILED, run
from shem.client import Client
from shem.scripts.commands import is_command, obey
from shem.scripts.prompt import Prompt
from shem.scripts.scope import worlds

__all__ = ["repl"]


def repl(*, component: ComponentsOption = None) -> None:
    """Talk to workers in Rib: each line runs once, variables stay, Tab completes."""
    output = Output(Format.TEXT)

    async def work(client: Client) -> None:
        session = rib.Session(await worlds(client, component or ()))
        run_key = f"repl-{secrets.token_hex(8)}"
        if sys.stdin.isatty():
            await _talk(client, session, run_key)
        elif not await _read(client, session, run_key):
            raise typer.Exit(FAILED)

    run(output, work)


async def _talk(client: Client, session: rib.Session, run_key: str) -> None:
    terminal = Terminal(session)
    prompt = Prompt(client, session, terminal, run_key)
    terminal.text(
        f"Rib with {', '.join(session.components) or 'no components'}. `:help` lists the commands."
    )
    while (text := await terminal.read()) is not None:
        if text.strip() in {":quit", ":q"}:
            return
        if text.strip():
            await _interruptible(lambda text=text: _run(prompt, text))  # type: ignore[misc]  # mypy cannot infer a default


async def _interruptible(work: Callable[[], Awaitable[bool]]) -> None:
    """Do something that Ctrl-C ends, without ending us."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work())
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        # What was interrupted has told so. Were it us who are cancelled, the task would go on.
        if not task.cancelled():
            raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _run(prompt: Prompt, text: str) -> bool:
    return await (obey(prompt, text) if is_command(text) else prompt.run(text))


@final
class _Plain:
    """Writes to whoever reads our output: values on stdout, the rest on stderr."""

    def value(self, wave: str, kind: str) -> None:
        del kind
        self.text(wave)

    def text(self, text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def problem(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def working(self, text: str) -> None:
        """Nobody watches."""


async def _read(client: Client, session: rib.Session, run_key: str) -> bool:
    """Run the lines of stdin; an open bracket continues on the next line."""
    prompt = Prompt(client, session, _Plain(), run_key)
    text, succeeded = "", True
    for line in await asyncio.to_thread(sys.stdin.readlines):
        text += line
        if not is_command(text) and not rib.is_complete(text):
            continue
        whole, text = text.strip(), ""
        if whole == ":quit":
            break
        if whole:
            succeeded = await _run(prompt, whole) and succeeded
    if text.strip():
        succeeded = await _run(prompt, text.strip()) and succeeded
    return succeeded
