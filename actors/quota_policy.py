"""How much the workers of a component may take up: how many, what waits, how long logs are.

As text: `workers=1000,pending=100,entries=1000000,bytes=10GiB`. What is above is refused with an
outcome of the kind `quota-exceeded`.
"""

import re
from typing import Final

from msgspec import Struct

from actors.errors import TerminalError

__all__ = ["NO_QUOTA", "Quota", "QuotaTextError", "parse_quota"]

_PART: Final = re.compile(
    r"(?:(workers|pending|entries)=([1-9][0-9]{0,11})|bytes=([1-9][0-9]{0,8})(KiB|MiB|GiB|TiB))"
)
_UNITS: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


class QuotaTextError(TerminalError):
    """The text is no quota. The message says what was expected."""


class Quota(Struct, frozen=True, kw_only=True):
    """Limits of a component, None: none.

    `workers` of it that exist, `pending` invocations of each that wait, `entries` of each log,
    `bytes` of all its logs together.
    """

    workers: int | None = None
    pending: int | None = None
    entries: int | None = None
    bytes: int | None = None


NO_QUOTA: Final = Quota()


def parse_quota(text: str) -> Quota:
    """Return the limits that `text` says; an empty one says none.

    Raises:
        QuotaTextError: it says nothing of the kind.
    """
    found: dict[str, int] = {}
    for part in text.split(",") if text else ():
        parsed = _PART.fullmatch(part)
        name = "" if parsed is None else parsed[1] or "bytes"
        if parsed is None or name in found:
            raise QuotaTextError(
                f"quota {text!r}: expected workers=N, pending=N, entries=N and bytes=N "
                "(as 512MiB or 10GiB) separated by commas"
            )
        found[name] = int(parsed[2]) if parsed[2] else int(parsed[3]) * _UNITS[parsed[4]]
    return Quota(**found)
