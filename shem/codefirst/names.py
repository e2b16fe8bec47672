"""Names of Python as names of WIT."""

import re
from typing import Final

from shem.errors import BuildError

__all__ = ["class_name", "identifier", "kebab"]

_WORD: Final = re.compile(r"[a-z][a-z0-9]*")
_KEYWORDS: Final = frozenset(
    [
        *("as", "async", "bool", "borrow", "char", "constructor", "enum", "export", "f32", "f64"),
        *("flags", "from", "func", "future", "import", "include", "interface", "list", "option"),
        *("own", "package", "record", "resource", "result", "s8", "s16", "s32", "s64", "static"),
        *("stream", "string", "tuple", "type", "u8", "u16", "u32", "u64", "use", "variant"),
        *("with", "world", "map", "error-context"),
    ]
)


def kebab(name: str) -> str:
    """Return `shopping-cart` for `ShoppingCart`, `shopping_cart` or `SHOPPING_CART`.

    Raises:
        BuildError: WIT has no such name; it wants letters, digits and words that begin with one.
    """
    spaced = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", name)
    words = [word.lower() for word in spaced.split("_") if word]
    if not words or not all(_WORD.fullmatch(word) for word in words):
        raise BuildError(
            f'"{name}" cannot be a name in WIT: its words must begin with a letter and hold only'
            " letters a-z and digits"
        )
    return "-".join(words)


def identifier(name: str) -> str:
    """Return a kebab name as WIT text writes it: keywords are escaped."""
    return f"%{name}" if name in _KEYWORDS else name


def class_name(name: str) -> str:
    """Return the name of the class that bindings generate for a kebab name."""
    return "".join(word.capitalize() for word in name.split("-"))
