"""Values that stand in a request as text, read in the type that a program needs."""

from collections.abc import Sequence
from typing import Final

from wit.errors import WitError
from wit.types import EnumType, ListType, OptionType, Primitive, Type
from wit.values import Value
from wit.wave import parse_value

__all__ = ["MisfitError", "header_text", "read_all", "read_text"]

_BOOLEANS: Final = {"true": True, "false": False}
_SHOWN_MAX: Final = 40


class MisfitError(ValueError):
    """A text that does not say a value of the type; terminal, becomes a 400."""


def read_all(texts: Sequence[str], type_: Type) -> Value:
    """Return the value of a name that stands in the request as often as there are texts.

    Raises:
        MisfitError: it is missing, stands there too often, or does not fit.
    """
    match type_:
        case OptionType(some):
            return (read_all(texts, some),) if texts else None
        case ListType(element) if element is not Primitive.U8:
            return [read_text(text, element) for text in texts]
        case _:
            pass
    if not texts:
        raise MisfitError("it is missing")
    if len(texts) > 1:
        raise MisfitError(f"it stands there {len(texts)} times")
    return read_text(texts[0], type_)


def read_text(text: str, type_: Type) -> Value:
    """Return the value that one text says: as it is for strings and enums, else as WAVE.

    Raises:
        MisfitError: it says none.
    """
    match type_:
        case Primitive.STRING:
            return text
        case Primitive.CHAR if len(text) == 1:
            return text
        case Primitive.BOOL if text in _BOOLEANS:
            return _BOOLEANS[text]
        case EnumType(cases) if text in cases:
            return text
        case _:
            pass
    try:
        return parse_value(text, type_)
    except WitError as error:
        shown = text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
        raise MisfitError(f"got {shown!r}") from error


def header_text(value: bytes) -> str:
    """Return a header's value as its sender means it: UTF-8, or Latin-1 of old."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
