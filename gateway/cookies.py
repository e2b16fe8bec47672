"""Cookies of a request: `Cookie: a=1; b=2`."""

from collections.abc import Sequence

__all__ = ["cookies_of"]


def cookies_of(header: str) -> dict[str, Sequence[str]]:
    """Return the values of each name, in the order of the header; what is no pair is left out."""
    found: dict[str, list[str]] = {}
    for part in header.split(";"):
        name, equals, value = part.strip().partition("=")
        if equals and name:
            found.setdefault(name, []).append(value.strip('"'))
    return dict(found)
