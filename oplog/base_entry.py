"""What every entry of an oplog has."""

from msgspec import Struct

__all__ = ["BaseEntry"]


class BaseEntry(
    Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    rename="kebab",
):
    """What every entry has. `at_ms` is Unix time in milliseconds, for people only."""

    at_ms: int = 0
