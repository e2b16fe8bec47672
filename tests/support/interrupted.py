"""A command that somebody stops waiting for, by Ctrl-C."""

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["interrupted"]

_LIMIT_S = 30


def interrupted(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    once: Callable[[], bool],
) -> tuple[int, str]:
    """Interrupt a command once that is so; return its exit status and what it said on stderr."""
    running = subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        while not once():
            assert running.poll() is None
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=_LIMIT_S)
    finally:
        running.kill()
        running.wait()
    return running.returncode, errors
