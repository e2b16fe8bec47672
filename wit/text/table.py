"""The table of the parser: what to do in which state, made from the grammar beforehand."""

from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from msgspec import Struct

__all__ = ["END", "NOTHING", "Rule", "Table", "load"]

# The terminal behind the last word of a text.
END: Final = "$END"
# In the place of a child: an optional part that is not there.
NOTHING: Final = -1


class Rule(Struct, frozen=True):
    """What a reduction does: take `size` values, call `callback` with those that `slots` name.

    Values at the places `inlined` of the slots are lists whose items are meant. Without a callback
    the list of children is itself the value.
    """

    origin: str
    callback: str
    size: int
    slots: tuple[int, ...]
    inlined: tuple[int, ...] = ()


class Table(Struct, frozen=True):
    """Rows by state: a symbol leads to the next state, or to rule `-1 - number` if negative.

    `starts` and `ends` say for what is parsed in which state it begins and in which it is done.
    """

    starts: dict[str, int]
    ends: dict[str, int]
    rules: tuple[Rule, ...]
    rows: tuple[dict[str, int], ...]


@cache
def load() -> Table:
    """Return the table of WIT."""
    return msgspec.json.decode(
        files("wit.text").joinpath("wit.table.json").read_bytes(), type=Table
    )
