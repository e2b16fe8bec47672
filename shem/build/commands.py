"""Running the external commands of a manifest."""

import asyncio
import os
import shlex
import shutil
import sys
from collections import deque
from pathlib import Path
from typing import Final

from shem.build.fingerprints import Fingerprints, matching
from shem.errors import BuildError
from shem.manifest.schema import ExternalCommand

__all__ = ["environment_of_tools", "is_current", "run_command"]

SHOWN_LINES_MAX: Final = 60
_STOP_GRACE_S: Final = 5.0
_PIECE_BYTES: Final = 64 * 1024


def is_current(
    step: str, command: ExternalCommand, folder: Path, notes: Fingerprints
) -> tuple[bool, str]:
    """Tell whether a command need not run, and the digest to note when it has."""
    place = _place(command, folder)
    digest = notes.digest([command, str(place)], matching(place, command.sources))
    if not command.sources or not command.targets:
        return False, digest
    there = all(matching(place, [target]) for target in command.targets)
    return there and notes.is_current(step, digest), digest


async def run_command(command: ExternalCommand, folder: Path, *, inherit: bool = False) -> None:
    """Run a command to its end; its output is shown if it fails, or as it comes with `inherit`.

    When cancelled, the program is asked to stop and waited for.

    Raises:
        BuildError: the program is missing, or leaves with another status than 0.
    """
    place = _place(command, folder)
    for each in command.rmdirs:
        shutil.rmtree(_inside(place, each, folder), ignore_errors=True)
    for each in command.mkdirs:
        _inside(place, each, folder).mkdir(parents=True, exist_ok=True)
    words = _words(command.command)
    environment = environment_of_tools() | dict(command.env)
    program = shutil.which(words[0], path=environment["PATH"])
    if program is None:
        raise BuildError(
            f"`{words[0]}` is not installed, or not on PATH; `shem app diagnose` tells how to get"
            " the tools that this app needs"
        )
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *words[1:],
            cwd=place,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=None if inherit else asyncio.subprocess.PIPE,
            stderr=None if inherit else asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        raise BuildError(f"{place}: cannot run `{command.command}`: {error}") from error
    output = await _finish(process)
    if process.returncode != 0:
        shown = "" if inherit else "\n" + "\n".join(output)
        raise BuildError(f"`{command.command}` failed with status {process.returncode}{shown}")


def environment_of_tools() -> dict[str, str]:
    """Return the environment of commands: what is installed beside Shem is found first."""
    beside = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


async def _finish(process: asyncio.subprocess.Process) -> deque[str]:
    kept: deque[str] = deque(maxlen=SHOWN_LINES_MAX)
    try:
        if process.stdout is not None:
            rest = ""
            # In pieces: tools print lines of any length.
            while piece := await process.stdout.read(_PIECE_BYTES):
                *lines, rest = (rest + piece.decode(errors="replace")).split("\n")
                kept.extend(lines)
                rest = rest[-_PIECE_BYTES:]
            if rest:
                kept.append(rest)
        await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_GRACE_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        raise
    return kept


def _place(command: ExternalCommand, folder: Path) -> Path:
    place = folder / (command.dir or "")
    if not place.is_dir():
        raise BuildError(f"{place}: there is no such folder to run `{command.command}` in")
    return place


def _inside(place: Path, text: str, folder: Path) -> Path:
    path = (place / text).resolve()
    # A slip of the pen in rmdirs must not remove what is not the app's.
    if folder.resolve() not in path.parents:
        raise BuildError(f'"{text}" is outside of {folder}: nothing is made or removed there')
    return path


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise BuildError(f"cannot split `{command}` into words: {error}") from error
    if not words:
        raise BuildError("a command is empty")
    return words
