"""Who asks, as a scheme found out."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

__all__ = ["Principal", "scopes_of"]


class Principal(Struct, frozen=True):
    """Somebody who may ask: `claims` are what programs see as `request.auth`.

    `by_cookie`: the browser says it by itself, so pages of others could make it ask.
    """

    scheme: str
    subject: str
    # JSON, as tokens carry it.
    claims: Mapping[str, Any]
    scopes: frozenset[str] = frozenset()
    by_cookie: bool = False


def scopes_of(claim: object) -> frozenset[str]:
    """Return scopes as tokens write them: words of a text, or a list of texts."""
    if isinstance(claim, str):
        return frozenset(claim.split())
    if isinstance(claim, list | tuple):
        return frozenset(str(each) for each in claim)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - JSON
    return frozenset()
