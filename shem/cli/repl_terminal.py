"""The terminal of `shem repl`: editing, history, colours, completion, progress."""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, final

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText, StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import Lexer
from prompt_toolkit.styles import Style
from rich.console import Console
from rich.markup import escape
from rich.status import Status

import rib
from shem.scripts.commands import COMMANDS, is_command

__all__ = ["Terminal"]

_STYLE: Final = Style.from_dict(
    {
        "rib.keyword": "ansimagenta",
        "rib.type": "ansicyan",
        "rib.function": "ansiblue",
        "rib.field": "",
        "rib.name": "",
        "rib.number": "ansiyellow",
        "rib.string": "ansigreen",
        "rib.escape": "ansibrightgreen",
        "rib.comment": "ansibrightblack",
        "rib.mark": "ansibrightblack",
        "rib.shown-type": "ansibrightblack",
        "rib.problem": "ansired",
    }
)


def coloured(text: str) -> StyleAndTextTuples:
    """Return a text of Rib or WAVE with the style of each piece."""
    found: StyleAndTextTuples = []
    offset = 0
    for piece in rib.scan(text):
        if piece.start > offset:
            found.append(("", text[offset : piece.start]))
        found.append((f"class:rib.{piece.kind}", text[piece.start : piece.end]))
        offset = piece.end
    if offset < len(text):
        found.append(("", text[offset:]))
    return found


@final
class _Colours(Lexer):
    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        """Return what gives the pieces of a line."""
        text = document.text
        pieces = [("", text)] if is_command(text) else coloured(text)
        lines: list[StyleAndTextTuples] = [[]]
        for style, part, *_ in pieces:
            first, *more = part.split("\n")
            lines[-1].append((style, first))
            for each in more:
                lines.append([(style, each)])  # noqa: PERF401 - lists of another type to pyright
        return lambda number: lines[number] if number < len(lines) else []


@final
class _Proposals(Completer):
    def __init__(self, session: rib.Session) -> None:
        self._session = session

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield what may be typed here."""
        del complete_event
        text, offset = document.text, document.cursor_position
        if is_command(text):
            yield from self._commands(document.text_before_cursor)
            return
        for each in self._session.complete(text, offset):
            yield Completion(
                each.insert,
                start_position=each.start - offset,
                display=each.label,
                display_meta=each.detail,
            )

    def _commands(self, text: str) -> Iterable[Completion]:
        name, space, rest = text.lstrip().partition(" ")
        if not space:
            for known, command in COMMANDS.items():
                if f":{known}".startswith(name):
                    yield Completion(f":{known}", -len(name), display_meta=command.help)
        elif name in {":type", ":deps"}:
            for each in self._session.complete(rest, len(rest)):
                yield Completion(each.insert, each.start - len(rest), display=each.label)
        else:
            for component in self._session.components:
                if component.startswith(rest):
                    yield Completion(component, -len(rest))


@final
class Terminal:
    """Reads lines from a person and writes to it."""

    def __init__(self, session: rib.Session) -> None:
        self._console = Console(file=sys.stderr)
        self._status: Status | None = None
        self._prompt: PromptSession[str] = PromptSession(
            message=">>> ",
            prompt_continuation="... ",
            multiline=Condition(self._is_open),
            history=_history(),
            lexer=_Colours(),
            completer=_Proposals(session),
            complete_while_typing=False,
            style=_STYLE,
            key_bindings=_keys(),
            enable_open_in_editor=True,
        )

    async def read(self) -> str | None:
        """Return a line, or None when there are no more. Ctrl-C begins a new one."""
        while True:
            try:
                return await self._prompt.prompt_async()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return None

    def value(self, wave: str, kind: str) -> None:
        """Show the value of a line with its type."""
        shown: StyleAndTextTuples = [*coloured(wave), ("class:rib.shown-type", f"  : {kind}")]
        print_formatted_text(FormattedText(shown), style=_STYLE)

    def text(self, text: str) -> None:
        """Show what was asked for."""
        print_formatted_text(text)

    def problem(self, text: str) -> None:
        """Show what went wrong."""
        print_formatted_text(FormattedText([("class:rib.problem", text)]), style=_STYLE)

    def working(self, text: str) -> None:
        """Show what is being waited for."""
        if self._status is not None:
            self._status.stop()
            self._status = None
        if text:
            self._status = Status(escape(text), console=self._console)
            self._status.start()

    def _is_open(self) -> bool:
        text = self._prompt.default_buffer.text
        return bool(text.strip()) and not is_command(text) and not rib.is_complete(text)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def _history() -> History:
    state = os.environ.get("XDG_STATE_HOME")
    folder = (Path(state) if state else Path.home() / ".local" / "state") / "shem"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rib_history").touch()
    except OSError:
        # A home that cannot be written to is no reason to refuse a prompt.
        return InMemoryHistory()
    return FileHistory(str(folder / "rib_history"))
