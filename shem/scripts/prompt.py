"""What happens to the lines of a Rib prompt, whatever terminal they come from."""

import asyncio
from pathlib import Path
from typing import Final, Protocol, final

import rib
from shem.client import Client
from shem.errors import RefusedError
from shem.scripts.port import CallTrace, WorkerPort
from shem.scripts.scope import worlds
from wit.errors import WitError
from wit.values import Value
from wit.wave import format_value

__all__ = ["Prompt", "Screen"]

# People wait as long as they like and stop by Ctrl-C; the invocation is durable anyway.
PATIENCE_S: Final = 24 * 3600.0


class Screen(Protocol):
    """Where a prompt writes."""

    def value(self, wave: str, kind: str) -> None:
        """Show the value of a line with its type."""
        ...

    def text(self, text: str) -> None:
        """Show what was asked for."""
        ...

    def problem(self, text: str) -> None:
        """Show what went wrong."""
        ...

    def working(self, text: str) -> None:
        """Show what is being waited for; empty: nothing any more."""
        ...


@final
class Prompt:
    """The lines of one person: variables, calls, and which of them are worth saving."""

    def __init__(self, client: Client, session: rib.Session, screen: Screen, run_key: str) -> None:
        self.client = client
        self.session = session
        self.screen = screen
        self.saved: list[str] = []
        self.traces = False
        self._port = WorkerPort(client, run_key, timeout_s=PATIENCE_S, watch=self._watch)
        self._running: CallTrace | None = None
        self._stopped: tuple[str, tuple[int, int]] | None = None

    async def run(self, text: str) -> bool:
        """Compile and run a line; return whether it succeeded.

        When the task is cancelled meanwhile, the invocation that it waits for goes on: `again`
        waits for it once more.
        """
        try:
            line = self.session.compile(text)
        except rib.CompileError as error:
            self.screen.problem(rib.report(error.diagnostics, text))
            return False
        if line.program.warnings:
            self.screen.problem(rib.report(line.program.warnings, text))
        mark = self.session.mark()
        try:
            value = await self.session.run(line, self._port)
        except rib.RunError as error:
            self.screen.problem(rib.report([error.diagnostic], text))
            return False
        except asyncio.CancelledError:
            self._stop(text, mark)
            raise
        finally:
            self.screen.working("")
        self.saved.append(text.strip().rstrip(";").rstrip())
        self._show(line, value)
        return True

    async def again(self) -> bool:
        """Run the line that was stopped once more; it finds its calls where they are by now."""
        if self._stopped is None:
            self.screen.problem("no line was stopped")
            return False
        text, mark = self._stopped
        self._stopped = None
        self.session.rewind(mark)
        return await self.run(text)

    async def load(self, name: str) -> None:
        """Bring a component into scope, or its newest version."""
        found = await worlds(self.client, [name])
        self.session.load(name, found[name])
        self.screen.text(f"{name} is in scope")

    async def load_script(self, file: Path) -> bool:
        """Run a script as if it were typed; its variables stay."""
        try:
            text = await asyncio.to_thread(file.read_text, encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RefusedError(f"cannot read {file}: {error}", kind="bad-file") from error
        return await self.run(text)

    def save(self, file: Path) -> None:
        """Write all lines that succeeded as a script."""
        try:
            file.write_text(";\n".join(self.saved) + "\n", encoding="utf-8")
        except OSError as error:
            raise RefusedError(f"cannot write {file}: {error}", kind="bad-file") from error
        self.screen.text(f"{len(self.saved)} lines in {file}")

    def _show(self, line: rib.Line, value: Value) -> None:
        type_ = line.program.result
        if type_ is None:
            return
        try:
            self.screen.value(format_value(value, type_), line.kind)
        except WitError:
            # A handle has no text, but it may be used further.
            self.screen.value(f"<{line.kind}>", line.kind)

    def _stop(self, text: str, mark: tuple[int, int]) -> None:
        self._stopped = text, mark
        running = self._running
        if running is None:
            self.screen.problem("stopped")
            return
        self.screen.problem(
            f"stopped waiting; {running.component}/{running.worker} {running.function} goes on "
            f"under the key {running.key}\n`:again` waits for its result"
        )

    def _watch(self, trace: CallTrace) -> None:
        text = f"{trace.component}/{trace.worker} {trace.function}{trace.arguments}"
        if trace.state == "started":
            self._running = trace
            self.screen.working(text)
            return
        self._running = None
        self.screen.working("")
        if self.traces:
            outcome = trace.outcome or trace.state
            self.screen.text(f"{text} -> {outcome} ({trace.took_s * 1e3:.1f} ms)")
