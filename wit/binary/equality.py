"""Equality of types as validators of components see it."""

from wit.binary.names import folded_label
from wit.subtype import TypeEquality

__all__ = ["FoldedEquality"]


class FoldedEquality(TypeEquality):
    """Names that only case or dashes tell apart are one name.

    No scope may have two of them, and wasmtime takes one for the other.
    """

    def names(self, left: str, right: str) -> bool:
        """Compare two names of fields, cases, flags or parameters."""
        return left == right or folded_label(left) == folded_label(right)
