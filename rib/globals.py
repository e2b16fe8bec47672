"""What a program may read without defining it."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

from wit.types import Type

__all__ = ["ANY_GLOBALS", "GATEWAY_GLOBALS", "Globals"]


class Globals(Struct, frozen=True):
    """The inputs a host offers, all named by dotted paths.

    `roots` are the first names that are allowed, None allows every one. Below a path in `texts`
    each member is an input of its own, a string unless the program demands another type. A path in
    `values` is an input as a whole. A root without any such path is an input as a whole, too.
    `types` fixes types in advance; `aliases` are other spellings of paths.
    """

    roots: frozenset[str] | None = None
    texts: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    types: Mapping[str, Type] = field(default_factory=dict[str, Type])
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])

    def is_group(self, path: str) -> bool:
        """Return whether inputs lie below a path, so that it is no value itself."""
        below = path + "."
        return path in self.texts or any(
            each.startswith(below) for each in (*self.texts, *self.values)
        )

    def members(self, path: str) -> list[str]:
        """Return the names directly below a group, sorted."""
        below = path + "."
        return sorted(
            {
                each.removeprefix(below).partition(".")[0]
                for each in (*self.texts, *self.values, *self.aliases)
                if each.startswith(below)
            }
        )


ANY_GLOBALS: Final = Globals()

GATEWAY_GLOBALS: Final = Globals(
    roots=frozenset({"request"}),
    texts=frozenset(
        {
            "request.path",
            "request.query",
            "request.headers",
            "request.cookies",
            "request.auth",
        }
    ),
    values=frozenset({"request.body"}),
    aliases={"request.header": "request.headers", "request.cookie": "request.cookies"},
)
