"""The files by which a running system says so: one in its directory, one where it was told to."""

import os
from pathlib import Path
from typing import final

import msgspec
import structlog

from broker.errors import SetupError
from shem.location import STATE_FILE, RunningState

__all__ = ["StateFiles"]

log = structlog.get_logger(__name__)


@final
class StateFiles:
    """Written when the state changes, removed at the end.

    Several systems may run in one directory: its file is that of the last one to start, and of
    those that are left when that one ends.
    """

    def __init__(self, ready_file: Path | None) -> None:
        self._ready_file = ready_file
        self._written: RunningState | None = None
        self._has_place = True

    @property
    def written(self) -> RunningState | None:
        """What was written last."""
        return self._written

    def clear(self) -> None:
        """Remove the ready file of a predecessor.

        Raises:
            SetupError: that cannot be done.
        """
        if self._ready_file is not None:
            try:
                self._ready_file.unlink(missing_ok=True)
            except OSError as error:
                raise SetupError(f"--ready-file {self._ready_file}: {error}") from error

    def is_to_be_written(self, state: RunningState) -> bool:
        """Whether the files say something else, or one is gone."""
        return state != self._written or (self._has_place and not STATE_FILE.exists())

    def write(self, state: RunningState) -> None:
        """Write them; without the one in the directory commands have to be told where we are.

        Raises:
            SetupError: the ready file cannot be written, for which somebody waits.
        """
        if self._has_place:
            try:
                _write(STATE_FILE, state)
            except OSError as error:
                self._has_place = False
                log.warning(
                    "commands in this directory will not find the broker by themselves",
                    error=str(error),
                )
        if self._ready_file is not None and state != self._written:
            try:
                _write(self._ready_file, state)
            except OSError as error:
                raise SetupError(f"--ready-file {self._ready_file}: {error}") from error
        self._written = state

    def remove(self) -> None:
        """Remove what is still ours."""
        if self._written is None:
            return
        files = [STATE_FILE] if self._ready_file is None else [STATE_FILE, self._ready_file]
        for file in files:
            if _supervisor_in(file) == self._written.pids.supervisor:
                file.unlink(missing_ok=True)


def _write(file: Path, state: RunningState) -> None:
    data = msgspec.json.format(msgspec.json.encode(state), indent=2) + b"\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    # Whoever polls for the file sees all of it or nothing.
    temporary = file.with_name(f"{file.name}.{os.getpid()}.new")
    temporary.write_bytes(data)
    temporary.replace(file)


def _supervisor_in(file: Path) -> int | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=RunningState).pids.supervisor
    except (OSError, msgspec.DecodeError):
        return None
