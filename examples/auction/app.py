"""An auction house: sales close by themselves, and tell whoever won.

A sale schedules a call of itself when it opens; the broker keeps it, over any downtime. Telling the
winner waits for nothing: the message leaves once what led to it is durable, and arrives once.
"""

import os

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import auction_client as client
from wit_world.imports import wall_clock


class State:
    """What a worker remembers: the last is of bidders, all others of sales."""

    title = ""
    price = 0
    leader = ""
    is_open = False
    wins: list[tuple[str, int]] = []  # noqa: RUF012 - there is one state in a worker, the class


class Sale(exports.Sale):
    def open(self, title: str, minimum: int, seconds: int) -> None:
        State.title, State.price, State.leader, State.is_open = title, minimum, "", True
        now = wall_clock.now()
        at = wall_clock.Datetime(now.seconds + seconds, now.nanoseconds)
        client.Sale(os.environ["SHEM_WORKER_NAME"]).schedule_close(at)

    def bid(self, bidder: str, amount: int) -> int:
        if not State.is_open:
            raise Err("the sale is closed")
        if amount <= State.price:
            raise Err(f"the price is {State.price} already")
        State.price, State.leader = amount, bidder
        return amount

    def close(self) -> None:
        if State.is_open:
            State.is_open = False
            if State.leader:
                client.Bidder(State.leader).won(State.title, State.price)

    def state(self) -> str:
        if State.is_open:
            return "open"
        return f"sold to {State.leader} for {State.price}" if State.leader else "unsold"


class Bidder(exports.Bidder):
    def won(self, title: str, price: int) -> None:
        State.wins.append((title, price))

    def wins(self) -> list[tuple[str, int]]:
        return State.wins
