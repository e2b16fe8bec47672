"""Which nats-server is new enough, and what an older one lacks."""

import re
from typing import Final

__all__ = ["SERVER_VERSION_MIN", "missing_features", "parse_version"]

Version = tuple[int, int, int]

_FEATURES: Final[dict[Version, str]] = {
    (2, 11, 0): "per-message time to live and pinned consumers",
    (2, 12, 0): "message schedules",
    (2, 12, 3): "repairs of lost acknowledged messages in clusters",
    (2, 14, 0): "consumer reset",
}
SERVER_VERSION_MIN: Final = max(_FEATURES)


def parse_version(text: str) -> Version:
    """Return the first three-part number in a text, zeros when there is none."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)


def missing_features(version: Version) -> list[str]:
    """Return what a server of this version cannot do and Shem needs."""
    return [feature for since, feature in _FEATURES.items() if version < since]
