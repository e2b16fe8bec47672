"""A shopping cart: baskets reserve what they want from stocks, all at once, or give it back.

Every basket and every stock is a worker. `client.Stock("apple")` is the worker `apple` of the
component that the upload links; calling it looks like calling an object, and the call is executed
once although either side may die in between.
"""

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import cart_client as client
from wit_world.imports import poll


class State:
    """What a worker remembers: baskets use the first, stocks the second."""

    wanted: dict[str, int] = {}  # noqa: RUF012 - there is one state in a worker, the class itself
    left = 0


class Basket(exports.Basket):
    def put(self, item: str, quantity: int) -> int:
        State.wanted[item] = State.wanted.get(item, 0) + quantity
        return State.wanted[item]

    def checkout(self) -> int:
        stocks = {item: client.Stock(item) for item in State.wanted}
        asked = {item: stocks[item].reserve(count) for item, count in State.wanted.items()}
        got = {item: _result(future) for item, future in asked.items()}
        missing = sorted(item for item, is_ours in got.items() if not is_ours)
        if missing:
            for item in got.keys() - set(missing):
                stocks[item].give_back(State.wanted[item])
            raise Err(missing)
        bought = sum(State.wanted.values())
        State.wanted.clear()
        return bought


class Stock(exports.Stock):
    def supply(self, quantity: int) -> int:
        State.left += quantity
        return State.left

    def reserve(self, quantity: int) -> bool:
        if quantity > State.left:
            return False
        State.left -= quantity
        return True

    def give_back(self, quantity: int) -> None:
        State.left += quantity

    def left(self) -> int:
        return State.left


def _result(future: client.FutureReserveResult) -> bool:
    while (result := future.get()) is None:
        with future.subscribe() as answer:
            poll.poll([answer])
    return result
