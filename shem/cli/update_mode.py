"""How workers move to another version; apart, since what else changes workers is slow to import."""

from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["ModeOption", "UpdateMode"]


class UpdateMode(StrEnum):
    """How another version takes over."""

    AUTOMATIC = "automatic"
    SNAPSHOT_BASED = "snapshot-based"


ModeOption = Annotated[
    UpdateMode,
    typer.Option(help="Replay the log on it, or save the old state and load it."),
]
