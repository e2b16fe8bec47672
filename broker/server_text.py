"""Text as the configuration of a NATS server has it."""

import json

__all__ = ["quoted"]


def quoted(text: str) -> str:
    """Return a string in quotes; letters stand as they are, no server knows them by number."""
    return json.dumps(text, ensure_ascii=False)
