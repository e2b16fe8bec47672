"""Sizes as a server's configuration has them."""

import re
from typing import Final

from shem.errors import RefusedError

__all__ = ["size_in_bytes"]

_SIZE: Final = re.compile(r"([0-9]+)\s*([KMGT]?)(i?)(B?)", re.IGNORECASE)
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def size_in_bytes(text: str) -> int:
    """Return a size as a server's configuration has it: `10GB`, `512M`, `1024`.

    Raises:
        RefusedError: the text is no size.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise RefusedError(f"{text!r} is no size: expected one like 10GB or 512M", kind="bad-size")
    number, unit, _, counted = found.groups()
    # As the server reads them: K is a thousand, KB and KiB are 1024.
    factor: int = (1024 if counted else 1000) ** _POWERS[unit.upper()]
    return int(number) * factor
