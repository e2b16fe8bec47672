"""What is wrong with WIT: the first problem as an error, or all of them as a list."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import final

from wit.errors import ParseError

__all__ = ["Problem", "Problems"]


@final
class Problem:
    """What one step found wrong, if anything."""

    def __init__(self) -> None:
        self.error: ParseError | None = None


@final
class Problems:
    """Collects errors if it is told to keep them; otherwise the first one is raised."""

    def __init__(self, *, keep: bool) -> None:
        self._keep = keep
        self._found: dict[str, ParseError] = {}

    @property
    def found(self) -> list[ParseError]:
        """The errors in the order in which they were met, each once."""
        return list(self._found.values())

    @contextmanager
    def kept(self) -> Generator[Problem]:
        """Run one step that the others can do without."""
        problem = Problem()
        try:
            yield problem
        except ParseError as error:
            if not self._keep:
                raise
            problem.error = error
            # What depends on something wrong meets the same error at the same place again.
            self._found.setdefault(str(error), error)
