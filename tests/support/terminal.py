"""A person at a terminal: types into a program on a pseudo-terminal and waits for what it shows."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self, final

__all__ = ["Person"]

LIMIT_S: Final = 30
# Ctrl-C only reaches a process whose terminal it is.
_TAKE_TERMINAL: Final = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_=>])")


@final
class Person:
    """Runs a command; use inside a `with`."""

    def __init__(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str]
    ) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TAKE_TERMINAL, *command],
            cwd=folder,
            # Programs may ask where the cursor is; nobody would answer.
            env={**environment, "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._master = master
        self.raw = ""
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._master)

    @property
    def shown(self) -> str:
        """Everything shown so far, without escape sequences."""
        return _ESCAPES.sub("", self.raw).replace("\r", "")

    def type(self, text: str) -> None:
        """Press keys; `\\r` is Enter, `\\t` Tab, `\\x03` Ctrl-C, `\\x04` Ctrl-D."""
        self._seen = len(self.shown)
        os.write(self._master, text.encode())

    def see(self, text: str) -> str:
        """Wait until a text is shown after what was typed last; return all that was shown since."""
        deadline = time.monotonic() + LIMIT_S
        while text not in self.shown[self._seen :]:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} is not in {self.shown[self._seen :]!r}"
            assert self._read(left), f"ended without {text!r}: {self.shown[self._seen :]!r}"
        return self.shown[self._seen :]

    def leave(self) -> int:
        """Wait until the program has ended; return its exit status."""
        deadline = time.monotonic() + LIMIT_S
        while self._read(1):
            assert time.monotonic() < deadline, f"still there: {self.shown[self._seen :]!r}"
        return self.process.wait(LIMIT_S)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return True
        try:
            found = os.read(self._master, 65_536)
        except OSError:
            # How Linux says that the other end is closed.
            return False
        self.raw += found.decode(errors="replace")
        return bool(found)
