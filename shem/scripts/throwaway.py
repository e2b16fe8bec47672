"""A Shem of one's own for a short while: `shem up` in a temporary directory, gone afterwards."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from shem.client import Client
from shem.connection import VARIABLES
from shem.errors import UnavailableError
from shem.location import RunningState

__all__ = ["throwaway"]

READY_TIMEOUT_S: Final = 60.0
LEAVE_TIMEOUT_S: Final = 20.0
LOOK_EVERY_S: Final = 0.05
LOG_LINES: Final = 20


@asynccontextmanager
async def throwaway() -> AsyncGenerator[Client]:
    """Yield a client of a system that nobody else uses. Compiled modules are kept for the next.

    It does not outlive us, whatever ends us: what stays after a `kill -9` is its folder.

    Raises:
        UnavailableError: it does not start, with the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix="shem-") as folder:
        place = Path(folder)
        kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        command = [
            *(sys.executable, "-m", "shem", "up", "--nats-port", "0", "--fsync", "interval"),
            *("--data", str(place / "data"), "--cache", str(_cache())),
            *("--ready-file", str(place / "ready.json"), "--log-level", "warning"),
            "--until-stdin-ends",
        ]
        with (place / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=place, env=kept, stdin=asyncio.subprocess.PIPE, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            url = await _ready(process, place)
            async with await Client.connect(url) as client:
                yield client
        finally:
            await _end(process)


async def _ready(process: asyncio.subprocess.Process, place: Path) -> str:
    file = place / "ready.json"
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            while not file.exists():
                if process.returncode is not None:
                    raise _failed(place, f"ended with status {process.returncode}")
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        raise _failed(place, f"was not ready within {READY_TIMEOUT_S:g} s") from None
    return msgspec.json.decode(file.read_bytes(), type=RunningState).nats_url


def _failed(place: Path, reason: str) -> UnavailableError:
    lines = (place / "log").read_text(errors="replace").splitlines()[-LOG_LINES:]
    text = "\n".join([f"the system for the tests {reason}", *lines])
    return UnavailableError(text, kind="unavailable")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(LEAVE_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _cache() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "shem" / "modules"
