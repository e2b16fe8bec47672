"""Paths of routes: `/users/{id}/files/{+rest}`, and which requests they take.

| segment | takes |
|---|---|
| `users` | exactly this |
| `{id}` | one segment, not empty |
| `{+rest}` | everything that is left, the last one only |
"""

import re
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from gateway.limits import PATH_SEGMENTS_MAX

__all__ = ["Path", "PathError", "Segment", "parse_path"]

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:-+[A-Za-z0-9_]+)*")
_LITERAL: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%-]+")
Kind: TypeAlias = Literal["literal", "variable", "rest"]


class PathError(ValueError):
    """A path that no request can have, terminal; the message says where it is wrong."""


class Segment(Struct, frozen=True):
    """One part of a path: `text` is what it takes, or the name of the variable."""

    kind: Kind
    text: str


class Path(Struct, frozen=True):
    """A parsed path. `query` are the query variables that it declares."""

    text: str
    segments: tuple[Segment, ...]
    query: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of its path variables, in order."""
        return tuple(each.text for each in self.segments if each.kind != "literal")

    @property
    def has_rest(self) -> bool:
        """Whether the last one takes everything that is left."""
        return bool(self.segments) and self.segments[-1].kind == "rest"

    def shape(self) -> tuple[tuple[str, str], ...]:
        """Return what decides which requests it takes: names of variables do not."""
        return tuple(
            (each.kind, each.text if each.kind == "literal" else "") for each in self.segments
        )

    def match(self, parts: Sequence[str]) -> dict[str, str] | None:
        """Return the variables of a request with these decoded segments, None if it is another."""
        found: dict[str, str] = {}
        for index, segment in enumerate(self.segments):
            if segment.kind == "rest":
                found[segment.text] = "/".join(parts[index:])
                return found if len(parts) > index else None
            if index >= len(parts):
                return None
            part = parts[index]
            if segment.kind == "literal":
                if part != segment.text:
                    return None
            elif not part:
                return None
            else:
                found[segment.text] = part
        return found if len(parts) == len(self.segments) else None


def parse_path(text: str) -> Path:
    """Return the path that a text says.

    Raises:
        PathError: it says none, with the reason.
    """
    path, question, query = text.partition("?")
    if not path.startswith("/"):
        raise PathError(f"{text!r} must begin with /")
    parts = path[1:].split("/") if path != "/" else []
    if len(parts) > PATH_SEGMENTS_MAX:
        raise PathError(f"{text!r} has more than {PATH_SEGMENTS_MAX} segments")
    segments = tuple(
        _segment(text, part, is_last=index == len(parts) - 1) for index, part in enumerate(parts)
    )
    declared = tuple(_query(text, each) for each in query.split("&")) if question else ()
    names = [each.text for each in segments if each.kind != "literal"]
    for name in names:
        if names.count(name) > 1:
            raise PathError(f"{text!r} has two variables {name!r}")
    return Path(text, segments, declared)


def _segment(text: str, part: str, *, is_last: bool) -> Segment:
    if part.startswith("{") and part.endswith("}"):
        name = part[1:-1]
        is_rest = name.startswith("+")
        if _NAME.fullmatch(name.removeprefix("+")) is None:
            raise PathError(f"{text!r}: {part!r} is no variable; write {{name}} or {{+name}}")
        if is_rest and not is_last:
            raise PathError(f"{text!r}: {part!r} takes all that is left and must be the last")
        return Segment("rest" if is_rest else "variable", name.removeprefix("+"))
    if not part and not is_last:
        raise PathError(f"{text!r} has an empty segment")
    if part in {".", ".."} or (part and _LITERAL.fullmatch(part) is None):
        raise PathError(f"{text!r}: {part!r} cannot be a segment of a path")
    return Segment("literal", part)


def _query(text: str, part: str) -> str:
    name = part.removeprefix("{").removesuffix("}")
    if part != f"{{{name}}}" or _NAME.fullmatch(name) is None:
        raise PathError(f"{text!r}: {part!r} is no query variable; write ?{{a}}&{{b}}")
    return name
