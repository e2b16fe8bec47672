"""A shopping cart: baskets reserve what they want from stocks, all at once, or give it back.

Every basket and every stock is a worker. `client.Stock("apple")` is the worker `apple` of the
component that the upload links; calling it looks like calling an object, and the call is executed
once although either side may die in between.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import cart_client as client
from wit_world.imports import poll

# Beyond it nobody counts, nor does the type of quantities.
PIECES_MAX = 2**32 - 1


class State:
    """What a worker remembers: baskets use the first, stocks the second."""

    wanted: dict[str, int] = {}  # noqa: RUF012 - there is one state in a worker, the class itself
    left = 0


class Basket(exports.Basket):
    def put(self, item: str, quantity: int) -> int:
        if not quantity or not is_name(item):
            return State.wanted.get(item, 0)
        State.wanted[item] = min(State.wanted.get(item, 0) + quantity, PIECES_MAX)
        return State.wanted[item]

    def remove(self, item: str) -> bool:
        return State.wanted.pop(item, None) is not None

    def contents(self) -> list[tuple[str, int]]:
        return sorted(State.wanted.items())

    def checkout(self) -> int:
        stocks = {item: client.Stock(item) for item in State.wanted}
        asked = {item: stocks[item].reserve(count) for item, count in State.wanted.items()}
        got = {item: _result(future) for item, future in asked.items()}
        missing = sorted(item for item, is_ours in got.items() if not is_ours)
        if missing:
            for item in got.keys() - set(missing):
                stocks[item].give_back(State.wanted[item])
            raise Err(missing)
        bought = min(sum(State.wanted.values()), PIECES_MAX)
        State.wanted.clear()
        return bought


class Stock(exports.Stock):
    def supply(self, quantity: int) -> int:
        State.left = min(State.left + quantity, PIECES_MAX)
        return State.left

    def reserve(self, quantity: int) -> bool:
        if quantity > State.left:
            return False
        State.left -= quantity
        return True

    def give_back(self, quantity: int) -> None:
        State.left = min(State.left + quantity, PIECES_MAX)

    def left(self) -> int:
        return State.left


def is_name(item: str) -> bool:
    """Say whether a stock can have this name."""
    return 0 < len(item.encode()) <= 200 and item.isprintable() and not set(item) & {" ", "/"}


def _result(future: client.FutureReserveResult) -> bool:
    while (result := future.get()) is None:
        with future.subscribe() as answer:
            poll.poll([answer])
    return result
