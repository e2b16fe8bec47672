"""What the load does to the workers: operations of the load guest, drawn from a seeded source.

Some go to workers of another component, which call a worker of the load guest and pass its answer
on. Which component a worker belongs to is told by its name.
"""

import random
from collections import Counter
from typing import Final

from msgspec import Struct

__all__ = [
    "CALLER",
    "CLIENT_INTERFACE",
    "COMPONENT",
    "Operation",
    "Source",
    "component_of",
    "interface_of",
    "parse_key",
    "worker_name",
]

COMPONENT: Final = "load"
CALLER: Final = "fan"
CLIENT_INTERFACE: Final = "demo:counter-client/counter-client"
_INTERFACES: Final = {"step": "demo:load/check", "one": "demo:fan/api"}
_CALLERS: Final = 20
_CALLER_SHARE: Final = 0.15
_COUNTER: Final = "demo:counter/api"
# Weights: mostly small additions, everything else often enough to meet every kind of fault.
_WEIGHTS: Final = {"add": 45, "get": 10, "roll": 15, "rolled": 5, "nap": 10, "step": 15}
_NAP_MS_MAX: Final = 1500
_ADD_MAX: Final = 1000


class Operation(Struct, frozen=True, kw_only=True):
    """One invocation: the `number`-th that `client` publishes to `worker`, from 1."""

    client: str
    worker: str
    number: int
    function: str
    params: tuple[int | str, ...]

    @property
    def key(self) -> str:
        """The idempotency key, which also tells who published it when."""
        return f"{self.client}/{self.worker}/{self.number}"

    @property
    def full_name(self) -> str:
        """The function as the log spells it."""
        return f"{interface_of(self.function)}.{{{self.function}}}"


def component_of(worker: str) -> str:
    """Return the component that the worker of this name belongs to."""
    return CALLER if worker.startswith("f") else COMPONENT


def parse_key(key: str) -> tuple[str, str, int]:
    """Return client, worker and number.

    Raises:
        ValueError: the key was not made by an `Operation`.
    """
    client, worker, number = key.split("/")
    return client, worker, int(number)


def interface_of(function: str) -> str:
    """Return the interface of the load guest that has the function."""
    return _INTERFACES.get(function, _COUNTER)


def worker_name(index: int) -> str:
    """Return the name of the worker with this number."""
    return f"w{index}"


class Source:
    """Draws operations for one client: the same ones for the same seed."""

    def __init__(self, client: str, publisher: int, seed: int, workers: int) -> None:
        self._client = client
        self._publisher = publisher
        self._random = random.Random(f"{seed}/{client}")
        self._workers = workers
        self._numbers: Counter[str] = Counter()
        self._steps: Counter[str] = Counter()

    def worker(self) -> str:
        """Draw whom to ask next."""
        if self._random.random() < _CALLER_SHARE:
            return f"f{self._random.randrange(_CALLERS)}"
        return worker_name(self._random.randrange(self._workers))

    def operation(self, worker: str, function: str | None = None) -> Operation:
        """Draw what to ask it. Numbers are given in the order of the calls, so publish in it."""
        names, weights = list(_WEIGHTS), list(_WEIGHTS.values())
        name = function or self._random.choices(names, weights)[0]
        if component_of(worker) == CALLER:
            name = "one"
        self._numbers[worker] += 1
        return Operation(
            client=self._client,
            worker=worker,
            number=self._numbers[worker],
            function=name,
            params=self._params(worker, name),
        )

    def pause_s(self, mean_s: float) -> float:
        """Draw how long to wait before the next operation."""
        return self._random.uniform(0, 2 * mean_s)

    def _params(self, worker: str, function: str) -> tuple[int | str, ...]:
        match function:
            case "one":
                called = worker_name(self._random.randrange(self._workers))
                return (called, self._random.randrange(1, _ADD_MAX))
            case "add":
                return (self._random.randrange(1, _ADD_MAX),)
            case "nap":
                return (self._random.randrange(_NAP_MS_MAX),)
            case "step":
                self._steps[worker] += 1
                return (self._publisher, self._steps[worker])
            case _:
                return ()
