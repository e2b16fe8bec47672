"""Entries as other programs see them: plain JSON with times that people can read.

An entry becomes an object with its `type`, its `timestamp` (RFC 3339, UTC, milliseconds) and its
fields under the names that they have in the log; a field that has its default is left out. Values
are JSON as the log has them; one that lies in the blob store shows as its reference.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct

from oplog.entries import Entry
from oplog.limits import PAGE_ENTRIES_MAX
from oplog.reader import LoadedLog
from oplog.search import Query

__all__ = ["Page", "PublicEntry", "page", "public", "timestamp"]


class PublicEntry(Struct, frozen=True):
    """An entry and its index."""

    index: int
    entry: dict[str, Any]


class Page(Struct, frozen=True, omit_defaults=True):
    """Some entries in order; `next` is where to go on, unset at the end of the log."""

    entries: list[PublicEntry]
    next: int | None = None


def timestamp(at_ms: int) -> str:
    """Return Unix milliseconds as RFC 3339 text in UTC."""
    seconds, milliseconds = divmod(at_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{milliseconds:03d}Z"


def public(index: int, entry: Entry) -> PublicEntry:
    """Return the public view of one entry."""
    plain: dict[str, Any] = msgspec.to_builtins(entry, enc_hook=_decode_raw)
    shown: dict[str, Any] = {"type": plain.pop("type")}
    if plain.pop("at-ms", 0):
        shown["timestamp"] = timestamp(entry.at_ms)
    return PublicEntry(index, shown | plain)


def _decode_raw(value: object) -> object:
    assert isinstance(value, Raw)
    return msgspec.json.decode(value)


def page(
    log: LoadedLog, *, start: int = 1, limit: int = PAGE_ENTRIES_MAX, query: Query | None = None
) -> Page:
    """Return up to `limit` entries from index `start` on, only those that `query` matches.

    Raises:
        CorruptLogError: a commit on the way is damaged.
    """
    assert limit >= 1, "a page holds at least one entry"
    found: list[PublicEntry] = []
    for entry in _public(log, start):
        if query is not None and not query.matches(entry.index, entry.entry):
            continue
        if len(found) == min(limit, PAGE_ENTRIES_MAX):
            return Page(found, next=entry.index)
        found.append(entry)
    return Page(found)


def _public(log: LoadedLog, start: int) -> Iterable[PublicEntry]:
    for index, entry, _ in log.entries(after=start - 1):
        yield public(index, entry)
