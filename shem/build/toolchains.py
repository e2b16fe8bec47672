"""The programs that builds run, and how to get those that are missing."""

import importlib.util
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

from msgspec import Struct

from shem.build.commands import environment_of_tools
from shem.manifest.application import Application
from shem.manifest.schema import ExternalCommand

__all__ = ["Tool", "find_tool", "tools_of"]

_HOW: Final = {
    "componentize-py": "pip install componentize-py",
    "python": "install Python 3.11 or newer",
    "python3": "install Python 3.11 or newer",
    "python -m ziglang": "pip install ziglang",
    "node": "install Node.js 20 or newer",
    "npm": "install Node.js 20 or newer, npm comes with it",
    "npx": "install Node.js 20 or newer, npx comes with it",
    "jco": "npm install -g @bytecodealliance/jco",
    "cargo": "install Rust by rustup, and `rustup target add wasm32-wasip2`",
    "go": "install Go 1.24 or newer",
    "zig": "pip install ziglang, and write `python -m ziglang`",
    "tinygo": "install TinyGo",
    "make": "install GNU make",
    "sh": "install a POSIX shell",
}
_PYTHONS: Final = frozenset({"python", "python3"})
_ASK_S_MAX: Final = 20


class Tool(Struct, frozen=True, kw_only=True):
    """A program; `path` is None where it is missing, `how` says what to do about it."""

    name: str
    path: str | None
    needed_by: tuple[str, ...]
    how: str


def tools_of(app: Application) -> list[Tool]:
    """Return what all commands need, in the order of the first use.

    Besides programs that is the module of a `python -m MODULE`, and the target of a `cargo build
    --target TARGET`.
    """
    users: dict[str, dict[str, None]] = {}

    def used(command: ExternalCommand, by: str) -> None:
        for each in _needed(command):
            users.setdefault(each, {})[by] = None

    for component in app.components.values():
        for command in component.properties.build or ():
            used(command, component.name)
    for name, custom in app.custom_commands.items():
        for command in custom.commands:
            used(command, f"command {name}")
    return [
        Tool(name=name, path=find_tool(name), needed_by=tuple(needed_by), how=_how(name))
        for name, needed_by in users.items()
    ]


def _needed(command: ExternalCommand) -> list[str]:
    try:
        words = shlex.split(command.command)
    except ValueError:
        words = command.command.split()
    match words:
        case [program, "-m", module, *_] if program in _PYTHONS:
            return [program, f"{program} -m {module}"]
        case ["cargo", *rest] if "--target" in rest[:-1]:
            return ["cargo", f"{_TARGET}{rest[rest.index('--target') + 1]}"]
        case [program, *_]:
            return [program]
        case _:
            return [""]


_TARGET: Final = "rust target "


def find_tool(name: str) -> str | None:
    """Return where a tool is, None if it is missing. Names are those of `Tool`."""
    if name.startswith(_TARGET):
        return _rust_target(name.removeprefix(_TARGET))
    program, _, module = name.partition(" -m ")
    if module:
        # The Python that commands find first is the one that this runs on.
        found = importlib.util.find_spec(module)
        return None if found is None else found.origin
    return shutil.which(program, path=environment_of_tools()["PATH"])


def _rust_target(target: str) -> str | None:
    rustc = shutil.which("rustc", path=environment_of_tools()["PATH"])
    if rustc is None:
        return None
    try:
        done = subprocess.run(
            [rustc, "--print", "target-libdir", "--target", target],
            capture_output=True,
            text=True,
            timeout=_ASK_S_MAX,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    folder = done.stdout.strip()
    return folder if done.returncode == 0 and Path(folder).is_dir() else None


def _how(name: str) -> str:
    if name.startswith(_TARGET):
        return f"rustup target add {name.removeprefix(_TARGET)}"
    if " -m " in name:
        return _HOW.get(name, f"pip install {name.partition(' -m ')[2]}")
    return _HOW.get(name, f"install `{name}` and put it on PATH")
