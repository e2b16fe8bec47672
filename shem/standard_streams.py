"""The three streams that every process begins with, whatever its starter left of them."""

import os
import sys
from pathlib import Path
from typing import Literal, TextIO

__all__ = ["open_standard_streams"]


def open_standard_streams() -> None:
    """Put the null device in the place of each that is closed.

    Left closed, its number goes to whatever is opened next, and libuv, which never closes one of
    the three, aborts the process over it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is given out, and those before it are taken by now.
            os.open(os.devnull, os.O_RDWR)
    # Python has none for those that were closed when it began; what is printed is for nobody.
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")


def _nowhere(mode: Literal["r", "w"]) -> TextIO:
    return Path(os.devnull).open(mode, encoding="utf-8")
