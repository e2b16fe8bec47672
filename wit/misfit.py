"""How converters of values report a misfit: cheap on the good path, with a full path on the bad.

Owns the walk of a misfit outwards through the containers of a value and the wording that all
converters share. Knows no textual form.
"""

import difflib
from collections.abc import Iterable

from wit.errors import ValueMismatchError
from wit.excerpt import excerpt
from wit.limits import SHOWN_CHARACTERS_MAX, SUGGESTIONS_MAX

__all__ = ["Misfit", "near_matches", "shown", "unknown_name"]


class Misfit(Exception):  # noqa: N818 - never leaves the package: it becomes a ValueMismatchError
    """A value does not fit. Each container adds its own step to the path while it unwinds."""

    def __init__(self, reason: str, *, offset: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        self._steps: list[str] = []

    def within(self, step: str) -> "Misfit":
        """Return the same misfit, seen from one container further out.

        Args:
            step: `.name` for a member, `[3]` for an element.
        """
        self._steps.append(step)
        return self

    def mismatch(self, root: str = "", *, text: str = "") -> ValueMismatchError:
        """Return the public error, its path beginning with `root`.

        If the misfit knows its offset in `text`, the message shows the place.
        """
        path = root + "".join(reversed(self._steps))
        reason = self.reason
        if self.offset is not None and text:
            reason = f"{reason}\n{excerpt(text, self.offset)}"
        return ValueMismatchError(reason, path=path.removeprefix("."))


def shown(value: object) -> str:
    """Return a short text of any Python or JSON value for an error message."""
    match value:
        case None:
            text = "null"
        case bool():
            text = "true" if value else "false"
        case str():
            text = f'"{value}"'
        case list():
            text = f"an array of {len(value)}"  # pyright: ignore[reportUnknownArgumentType] - any list
        case dict():
            keys = ", ".join(str(key) for key in value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - any dict
            text = f"an object with {keys}" if keys else "an empty object"
        case _:
            text = repr(value)
    if len(text) > SHOWN_CHARACTERS_MAX:
        return text[: SHOWN_CHARACTERS_MAX - 1] + "…"
    return text


def near_matches(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that look like `name`, best first."""
    return difflib.get_close_matches(name, list(known), n=SUGGESTIONS_MAX, cutoff=0.6)


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that is not among the known ones, with a suggestion."""
    names = list(known)
    near = near_matches(name, names)
    if near:
        return f"unknown {what} {shown(name)}, did you mean {near[0]}?"
    if not names:
        return f"unknown {what} {shown(name)}"
    listed = ", ".join(names[:SUGGESTIONS_MAX]) + (", …" if len(names) > SUGGESTIONS_MAX else "")
    return f"unknown {what} {shown(name)}, expected one of {listed}"
