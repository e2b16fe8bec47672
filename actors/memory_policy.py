"""How much memory the workers of a component may have, and what becomes of those that need more.

As text: `max=64MiB,full=fail`. Beyond `max` memory does not grow: the guest is told so by the
instruction that asks for it, and mostly traps. A trap in the invocation in which that happened is
an `out-of-memory`, and `full` says what follows: `retry`, the default, as the retry policy has it;
`fail` gives up at once, since the same call would need as much again.
"""

import re
from typing import Final, Literal

from msgspec import Struct

from actors.errors import TerminalError

__all__ = ["MemoryPolicy", "MemoryTextError", "is_full", "parse_memory"]

BYTES_MIN: Final = 1 << 16
# Where nobody knows, since code could not be followed: a guest that traps with more than this part
# of its memory in use has probably asked for more.
FULL_SHARE: Final = 0.75
_UNITS: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE: Final = re.compile(r"([1-9][0-9]{0,8})(KiB|MiB|GiB)")


class MemoryTextError(TerminalError):
    """The text is no memory policy. The message says what was expected."""


class MemoryPolicy(Struct, frozen=True, kw_only=True):
    """A parsed policy. `bytes_max` None: what the executor allows."""

    bytes_max: int | None = None
    full: Literal["retry", "fail"] = "retry"

    def limit(self, allowed: int) -> int:
        """Return how many bytes a worker may have where the executor allows so many."""
        return allowed if self.bytes_max is None else min(allowed, self.bytes_max)


def is_full(used: int, limit: int) -> bool:
    """Tell whether a trap of a guest with `used` bytes is likely one for want of memory."""
    return used >= limit * FULL_SHARE


def parse_memory(text: str) -> MemoryPolicy:
    """Return the policy that `text` says; an empty one says nothing.

    Raises:
        MemoryTextError: it says none.
    """
    bytes_max: int | None = None
    full: Literal["retry", "fail"] | None = None
    for part in text.split(",") if text else ():
        name, _, value = part.partition("=")
        size = _SIZE.fullmatch(value)
        match name, value:
            case "max", _ if size is not None and bytes_max is None:
                bytes_max = int(size[1]) * _UNITS[size[2]]
                if bytes_max < BYTES_MIN:
                    raise MemoryTextError(f"memory {text!r}: a page of memory has 64KiB")
            case "full", "retry" | "fail" if full is None:
                full = value
            case _:
                raise MemoryTextError(
                    f"memory {text!r}: expected max=N (as 64MiB, 1GiB) and full=retry or full=fail "
                    "separated by a comma"
                )
    return MemoryPolicy(bytes_max=bytes_max, full=full or "retry")
