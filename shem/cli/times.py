"""Moments for people."""

from datetime import UTC, datetime

__all__ = ["moment"]


def moment(at_ms: int) -> str:
    """Return Unix time in milliseconds as UTC to the second, `-` if unknown."""
    if not at_ms:
        return "-"
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
