"""A bound on the work that one component may cause, however its parts refer to each other."""

from typing import final

from wit.binary.limits import EVALUATIONS_MAX
from wit.errors import BinaryError

__all__ = ["Work"]


@final
class Work:
    """Counts steps, each of which takes about the same short time."""

    def __init__(self, limit: int = EVALUATIONS_MAX) -> None:
        self._limit = self._left = limit

    def spend(self, steps: int, offset: int) -> None:
        """Count steps.

        Raises:
            BinaryError: they are too many.
        """
        self._left -= steps
        if self._left < 0:
            raise BinaryError(
                f"checking the component takes more than {self._limit} steps", offset=offset
            )
