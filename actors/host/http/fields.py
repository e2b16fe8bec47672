"""The resource `fields`: headers and trailers."""

import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias, final

from actors.host.buffered import Share
from actors.host.http.limits import FIELD_BYTES, FIELDS_BYTES_MAX
from actors.host.saving import saveable

__all__ = ["FieldError", "FieldList", "Fields", "is_well_formed"]

FieldList: TypeAlias = list[tuple[str, bytes]]

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Line ends and zero bytes would let a value continue as another field.
_BAD_IN_VALUE: Final = re.compile(rb"[\r\n\0]")
# What belongs to a connection and is the host's to say.
_FORBIDDEN: Final = frozenset(
    {
        "connection",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    }
)


class FieldError(Exception):
    """A change was refused; `case` is the WIT `header-error`."""

    def __init__(self, case: str) -> None:
        super().__init__(case)
        self.case = case


@saveable("http/fields", "_entries", "is_immutable", "share")
@final
class Fields:
    """Names with values, in order; names are compared without case."""

    def __init__(
        self, entries: Iterable[tuple[str, bytes]] = (), *, is_immutable: bool = False
    ) -> None:
        self._entries: FieldList = list(entries)
        self.is_immutable = is_immutable
        self.share = Share()

    @property
    def size(self) -> int:
        """What it has in memory, about."""
        return sum(len(name) + len(value) + FIELD_BYTES for name, value in self._entries)

    @classmethod
    def from_guest(cls, entries: Sequence[tuple[str, bytes]]) -> "Fields":
        """Make fields of what a guest gives, checking each.

        Raises:
            FieldError: a name or value is malformed, or the name is not the guest's to set.
        """
        fields = cls()
        for name, value in entries:
            fields.append(name, value)
        return fields

    def entries(self) -> FieldList:
        """Return all, in order."""
        return list(self._entries)

    def get(self, name: str) -> list[bytes]:
        """Return the values of a name, in order."""
        wanted = name.lower()
        return [value for key, value in self._entries if key.lower() == wanted]

    def append(self, name: str, value: bytes) -> None:
        """Add a value."""
        self._check_change(name)
        _check_value(value)
        self._check_size(len(name) + len(value))
        self._entries.append((name, value))

    def set(self, name: str, values: Sequence[bytes]) -> None:
        """Replace all values of a name."""
        self._check_change(name)
        for value in values:
            _check_value(value)
        self._check_size(sum(len(name) + len(value) for value in values))
        self._remove(name)
        self._entries.extend((name, value) for value in values)

    def delete(self, name: str) -> None:
        """Remove all values of a name."""
        self._check_change(name)
        self._remove(name)

    def copy(self) -> "Fields":
        """Return a mutable copy."""
        return Fields(self._entries)

    def frozen(self) -> "Fields":
        """Return a view for guests that must not change it."""
        return Fields(self._entries, is_immutable=True)

    def _remove(self, name: str) -> None:
        wanted = name.lower()
        self._entries = [entry for entry in self._entries if entry[0].lower() != wanted]

    def _check_change(self, name: str) -> None:
        if self.is_immutable:
            raise FieldError("immutable")
        if not _NAME.fullmatch(name):
            raise FieldError("invalid-syntax")
        if name.lower() in _FORBIDDEN:
            raise FieldError("forbidden")

    def _check_size(self, more: int) -> None:
        used = sum(len(name) + len(value) for name, value in self._entries)
        if used + more > FIELDS_BYTES_MAX:
            raise FieldError("invalid-syntax")


def is_well_formed(entries: FieldList) -> bool:
    """Tell whether names and values have the form of fields and are not too many."""
    size = sum(len(name) + len(value) for name, value in entries)
    return size <= FIELDS_BYTES_MAX and all(
        _NAME.fullmatch(name) and not _BAD_IN_VALUE.search(value) for name, value in entries
    )


def _check_value(value: bytes) -> None:
    if _BAD_IN_VALUE.search(value):
        raise FieldError("invalid-syntax")
