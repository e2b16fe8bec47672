"""Sets of entry indices, as the regions that they are made of."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final, final

__all__ = ["NO_REGIONS", "Regions"]


@final
class Regions:
    """Indices from `start` to `end`, both included, for each region; overlapping ones are joined.

    Immutable. Empty regions (`end` before `start`) are left out.
    """

    def __init__(self, regions: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted(regions):
            if end < start:
                continue
            if self._ends and start <= self._ends[-1] + 1:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def __contains__(self, index: int) -> bool:
        at = bisect_right(self._starts, index) - 1
        return at >= 0 and index <= self._ends[at]

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends, strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Regions) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Regions({list(self)})"

    def joined(self, regions: Iterable[tuple[int, int]]) -> "Regions":
        """Return this set and more regions together."""
        return Regions((*self, *regions))


NO_REGIONS: Final = Regions()
