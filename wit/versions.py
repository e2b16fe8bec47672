"""Semantic versions of packages: order, and which one may stand in for which.

Source: https://semver.org/spec/v2.0.0.html; component-model specification, Explainer.md,
"Canonical Interface Name".
"""

import re
from functools import total_ordering
from typing import Final, final

__all__ = ["Version", "is_compatible"]

# https://semver.org/spec/v2.0.0.html, with the numbers kept short enough to be numbers.
_VERSION: Final = re.compile(
    r"(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,17})"
    r"(?:-((?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*))*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


@final
@total_ordering
class Version:
    """A parsed version. Build metadata takes no part in order and equality."""

    __slots__ = ("_key", "numbers", "prerelease", "text")

    def __init__(self, text: str) -> None:
        found = _VERSION.fullmatch(text)
        if found is None:
            raise ValueError(f"`{text}` is no version, expected one like 1.0.0 or 1.0.0-rc.1")
        self.text = text
        self.numbers = (int(found[1]), int(found[2]), int(found[3]))
        self.prerelease: str = found[4] or ""
        # A release comes after its prereleases; numeric parts come before the others.
        parts = tuple(
            (0, len(part), part) if part.isdigit() else (1, 0, part)
            for part in self.prerelease.split(".")
        )
        self._key = (self.numbers, not self.prerelease, parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key == other._key

    def __lt__(self, other: "Version") -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"Version({self.text!r})"

    @property
    def track(self) -> tuple[int, ...] | None:
        """What compatible versions share: the first number that is not zero, with its place.

        None for prereleases and 0.0.x: they are compatible with themselves alone.
        """
        major, minor, _patch = self.numbers
        if self.prerelease:
            return None
        if major:
            return (major,)
        return (0, minor) if minor else None


def is_compatible(available: Version, wanted: Version) -> bool:
    """Return whether what was written for `wanted` also works with `available`."""
    if available == wanted:
        return True
    return available.track is not None and available.track == wanted.track and available > wanted
