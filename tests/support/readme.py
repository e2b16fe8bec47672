"""The code blocks of the README, as its tests read them."""

import re
import shlex
from pathlib import Path
from typing import Final

from msgspec import Struct

__all__ = ["README", "Block", "Command", "blocks", "blocks_of", "commands"]

README: Final = Path(__file__).resolve().parents[2] / "README.md"
_BLOCK: Final = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(Struct, frozen=True):
    """A fenced block: its language, or nothing, and its text."""

    language: str
    text: str


class Command(Struct, frozen=True):
    """A line after `$` in a console block, and the lines that it is said to print."""

    line: str
    printed: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The command as a shell takes it apart, without its comment."""
        return shlex.split(self.line, comments=True)


def blocks(*languages: str) -> list[Block]:
    """Return the blocks of the README in these languages, in their order."""
    return [block for block in blocks_of(README) if block.language in languages]


def blocks_of(page: Path) -> list[Block]:
    """Return all blocks of a page, in their order."""
    return [Block(language, text) for language, text in _BLOCK.findall(page.read_text())]


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block."""
    _, *parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
    lines = [part.splitlines() for part in parts]
    return [Command(line, tuple(printed)) for line, *printed in lines]
