"""Which workers stay in memory: least recently used idle ones leave when the budget is exceeded."""

from collections import OrderedDict
from typing import Protocol, final

__all__ = ["Evictable", "Residency"]


class Evictable(Protocol):
    """A worker in memory."""

    def evict(self) -> bool:
        """Leave memory if idle; False if it is busy."""
        ...


@final
class Residency:
    """The budget of one executor. Idle workers are the victims."""

    def __init__(self, *, memory_bytes_max: int, workers_max: int) -> None:
        self._memory_bytes_max = memory_bytes_max
        self._workers_max = workers_max
        self._sizes: dict[Evictable, int] = {}
        self._idle: OrderedDict[Evictable, None] = OrderedDict()
        self.memory_bytes = 0

    @property
    def count(self) -> int:
        """How many guests are in memory."""
        return len(self._sizes)

    @property
    def is_crowded(self) -> bool:
        """Whether, with one more, half of the room is taken: workers may soon have to leave."""
        return (
            2 * (self.count + 1) >= self._workers_max
            or 2 * self.memory_bytes >= self._memory_bytes_max
        )

    def entered(self, worker: Evictable, size: int) -> None:
        """A guest was instantiated, and holds so many bytes; others make room."""
        self._account(worker, size)
        self._idle.pop(worker, None)
        self._make_room()

    def settled(self, worker: Evictable, size: int) -> None:
        """The worker is idle now, as large as that: the newest of the candidates to leave."""
        if worker in self._sizes:
            if size != self._sizes[worker]:
                self._account(worker, size)
            # A busy one is not among them, so that it becomes the last.
            self._idle.pop(worker, None)
            self._idle[worker] = None
            self._make_room()

    def woke(self, worker: Evictable) -> None:
        """The worker is busy again."""
        self._idle.pop(worker, None)

    def left(self, worker: Evictable) -> None:
        """The guest is gone."""
        self._idle.pop(worker, None)
        self.memory_bytes -= self._sizes.pop(worker, 0)

    def _account(self, worker: Evictable, size: int) -> None:
        self.memory_bytes += size - self._sizes.get(worker, 0)
        self._sizes[worker] = size

    def _make_room(self) -> None:
        # Asked after every invocation.
        if self.memory_bytes <= self._memory_bytes_max and len(self._sizes) <= self._workers_max:
            return
        busy: list[Evictable] = []
        # Never a copy of all who are idle: with a full house every worker that comes makes room.
        while self._is_over and self._idle:
            victim, _ = self._idle.popitem(last=False)
            # Its task ends a little later; the books are corrected now, so that one excess does
            # not empty the house.
            if victim.evict():
                self.left(victim)
            else:
                busy.append(victim)
        for victim in reversed(busy):
            self._idle[victim] = None
            self._idle.move_to_end(victim, last=False)

    @property
    def _is_over(self) -> bool:
        return self.memory_bytes > self._memory_bytes_max or self.count > self._workers_max
