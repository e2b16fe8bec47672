"""Entries about the spans that a guest opens in its trace."""

from oplog.base_entry import BaseEntry

__all__ = ["FinishSpan", "SetSpanAttribute", "StartSpan"]


class StartSpan(BaseEntry, tag="start-span", frozen=True, kw_only=True):
    """A span begins below `parent`. Identifiers are 16 hexadecimal digits."""

    span_id: str
    name: str
    parent: str | None = None


class FinishSpan(BaseEntry, tag="finish-span", frozen=True, kw_only=True):
    """A span ends."""

    span_id: str


class SetSpanAttribute(BaseEntry, tag="set-span-attribute", frozen=True, kw_only=True):
    """A span got an attribute."""

    span_id: str
    key: str
    value: str
