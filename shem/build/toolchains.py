"""The programs that builds run, and how to get those that are missing."""

import shlex
import shutil
from typing import Final

from msgspec import Struct

from shem.build.commands import environment_of_tools
from shem.manifest.application import Application
from shem.manifest.schema import ExternalCommand

__all__ = ["Tool", "tools_of"]

_HOW: Final = {
    "componentize-py": "pip install componentize-py",
    "python": "install Python 3.11 or newer",
    "python3": "install Python 3.11 or newer",
    "node": "install Node.js 20 or newer",
    "npm": "install Node.js 20 or newer, npm comes with it",
    "npx": "install Node.js 20 or newer, npx comes with it",
    "jco": "npm install -g @bytecodealliance/jco",
    "cargo": "install Rust, and `rustup target add wasm32-wasip2`",
    "go": "install Go 1.24 or newer",
    "zig": "pip install ziglang, and write `python -m ziglang`",
    "tinygo": "install TinyGo",
    "make": "install GNU make",
    "sh": "install a POSIX shell",
}


class Tool(Struct, frozen=True, kw_only=True):
    """A program; `path` is None where it is missing, `how` says what to do about it."""

    name: str
    path: str | None
    needed_by: tuple[str, ...]
    how: str


def tools_of(app: Application) -> list[Tool]:
    """Return the programs of all commands, in the order of their first use."""
    users: dict[str, dict[str, None]] = {}
    for component in app.components.values():
        for command in component.properties.build or ():
            users.setdefault(_program(command), {})[component.name] = None
    for name, custom in app.custom_commands.items():
        for command in custom.commands:
            users.setdefault(_program(command), {})[f"command {name}"] = None
    path = environment_of_tools()["PATH"]
    return [
        Tool(
            name=name,
            path=shutil.which(name, path=path),
            needed_by=tuple(needed_by),
            how=_HOW.get(name, f"install `{name}` and put it on PATH"),
        )
        for name, needed_by in users.items()
    ]


def _program(command: ExternalCommand) -> str:
    try:
        words = shlex.split(command.command)
    except ValueError:
        words = command.command.split()
    return words[0] if words else ""
