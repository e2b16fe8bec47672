"""What a survey of waiting workers has found: whether they are caught, and which call is refused.

A worker that waits for several calls goes on with the first answer. So it is *caught* if it waits
for answers alone and without end, and each of the requests that it waits for lies with a worker
that is caught as well, in its mailbox or running there. Caught workers stand still for ever: the
first of them to move would need the answer of another one.

Among the caught there is at least one *knot*: workers that all lead to each other and to nobody
else. Refusing one request inside of each is enough, and whoever finds a knot chooses the same one.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

__all__ = ["CALLS_MAX", "WAITERS_MAX", "Chosen", "Place", "Wait", "Waiter", "choose"]

# Of one survey: workers in it, and calls of all of them.
WAITERS_MAX: Final = 64
CALLS_MAX: Final = 512

Place: TypeAlias = tuple[str, str]
"""Component and worker."""


class Wait(Struct, frozen=True, array_like=True):
    """A request that somebody waits for: with whom it lies, and under which key."""

    component: str
    worker: str
    key: str

    @property
    def place(self) -> Place:
        """With whom it lies."""
        return self.component, self.worker


class Waiter(Struct, frozen=True, array_like=True):
    """A worker that goes on with the answer to any of its calls, and with nothing else."""

    component: str
    worker: str
    calls: tuple[Wait, ...]

    @property
    def place(self) -> Place:
        """Who it is."""
        return self.component, self.worker


class Chosen(Struct, frozen=True):
    """The request that is refused, and the circle that it closes, from its caller on."""

    wait: Wait
    circle: tuple[Place, ...]


def choose(waiters: Sequence[Waiter], queued: Sequence[str]) -> Chosen | None:
    """Return the request that is to be refused, of caught workers that wait for nobody else.

    `queued` are the keys of requests that have not begun; None: no request of a knot is among them.
    """
    calls = {each.place: each.calls for each in waiters}
    reach = {place: _reached(calls, place) for place in calls}
    can_be_refused = set(queued)
    candidates = [
        (wait.place, wait.key, place, wait)
        for place, waits in calls.items()
        if _is_knotted(reach, place)
        for wait in waits
        if wait.key in can_be_refused
    ]
    if not candidates:
        return None
    _, _, caller, wait = min(candidates, key=lambda each: each[:3])
    return Chosen(wait, (caller, *_path(calls, wait.place, caller)))


def _is_knotted(reach: Mapping[Place, frozenset[Place]], place: Place) -> bool:
    """Whether all that a worker leads to leads back to it."""
    return all(place in reach[other] for other in reach[place])


def _reached(calls: Mapping[Place, tuple[Wait, ...]], start: Place) -> frozenset[Place]:
    found: set[Place] = set()
    todo = [start]
    while todo:
        for wait in calls[todo.pop()]:
            if wait.place not in found:
                found.add(wait.place)
                todo.append(wait.place)
    return frozenset(found)


def _path(calls: Mapping[Place, tuple[Wait, ...]], start: Place, end: Place) -> list[Place]:
    """Return the shortest way from one worker to another that it leads to."""
    before: dict[Place, Place] = {}
    todo = [start]
    for place in todo:
        if place == end:
            break
        for wait in calls[place]:
            if wait.place not in before and wait.place != start:
                before[wait.place] = place
                todo.append(wait.place)
    path = [end]
    while path[-1] != start:
        path.append(before[path[-1]])
    return path[::-1]
