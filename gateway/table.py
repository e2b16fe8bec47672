"""Which route takes a request: a literal before a variable before the rest, segment by segment."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar, final

from msgspec import Struct

from gateway.errors import ConflictError
from gateway.paths import Path

__all__ = ["Found", "Routed", "Table"]

_ORDER = {"literal": 0, "variable": 1, "rest": 2}


class Routed(Protocol):
    """What a table holds."""

    @property
    def api(self) -> str:
        """The definition it comes from, `id@version`."""
        ...

    @property
    def method(self) -> str:
        """The HTTP method."""
        ...

    @property
    def path(self) -> Path:
        """The path."""
        ...


Entry = TypeVar("Entry", bound=Routed)


class Found(Struct, Generic[Entry], frozen=True):
    """The routes of a request's path: by method, with the path variables of each."""

    routes: Mapping[str, tuple[Entry, Mapping[str, str]]]


@final
class Table(Generic[Entry]):
    """The routes of one site."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        """Make a table.

        Raises:
            ConflictError: two routes take the same requests; both are named.
        """
        self._entries = sorted(entries, key=_rank)
        seen: dict[object, Entry] = {}
        for entry in self._entries:
            key = entry.method, entry.path.shape()
            other = seen.setdefault(key, entry)
            if other is not entry:
                raise ConflictError(
                    f"{entry.method} {entry.path.text} of {entry.api} takes the same requests as "
                    f"{other.method} {other.path.text} of {other.api}"
                )

    @property
    def entries(self) -> Sequence[Entry]:
        """All routes, the most particular first."""
        return self._entries

    def find(self, parts: Sequence[str]) -> Found[Entry]:
        """Return the routes for a path: for each method the most particular one."""
        found: dict[str, tuple[Entry, Mapping[str, str]]] = {}
        for entry in self._entries:
            if entry.method not in found:
                variables = entry.path.match(parts)
                if variables is not None:
                    found[entry.method] = entry, variables
        return Found(found)


def _rank(entry: Routed) -> tuple[tuple[int, ...], str, str]:
    kinds = tuple(_ORDER[segment.kind] for segment in entry.path.segments)
    return kinds, entry.path.text, entry.method
