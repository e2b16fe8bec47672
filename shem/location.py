"""Where the broker is: told by the environment, by `shem up` in this directory, or the default."""

import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

__all__ = [
    "DEFAULT_URL",
    "STATE_DIR",
    "STATE_FILE",
    "URL_VARIABLE",
    "Pids",
    "RunningState",
    "find_url",
]

DEFAULT_URL: Final = "nats://127.0.0.1:4222"
URL_VARIABLE: Final = "SHEM_NATS_URL"
STATE_DIR: Final = Path(".shem")
STATE_FILE: Final = STATE_DIR / "running.json"


class Pids(Struct, frozen=True, kw_only=True):
    """Process ids by role; no broker when an external one is used."""

    supervisor: int
    broker: int | None = None
    executors: tuple[int, ...] = ()
    gateway: int | None = None


class RunningState(Struct, frozen=True, kw_only=True):
    """What `shem up` writes when everything is ready, and again whenever a process is replaced."""

    nats_url: str
    http_url: str | None = None
    rest_url: str | None = None
    pids: Pids


def find_url() -> str:
    """Return the URL of the broker to use when none is given."""
    named = os.environ.get(URL_VARIABLE)
    if named:
        return named
    try:
        return msgspec.json.decode(STATE_FILE.read_bytes(), type=RunningState).nats_url
    except (OSError, msgspec.DecodeError):
        # Nothing runs in this directory, or it is just being replaced by an older or newer Shem.
        return DEFAULT_URL
