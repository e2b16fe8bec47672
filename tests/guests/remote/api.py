"""The resources of `demo:remote/api`. The toolchain looks for them in a module of that name."""

from wit_world.exports import api
from wit_world.imports.shapes import Entry


class State:
    """What the worker remembers."""

    total = 0
    notes: list[str] = []  # noqa: RUF012 - there is one state in a worker, the class itself
    carts = 0


class Cart(api.Cart):
    def __init__(self, owner: str) -> None:
        self.by = owner
        self.kept: list[Entry] = []
        State.carts += 1

    def put(self, entry: Entry) -> int:
        self.kept.append(entry)
        return len(self.kept)

    def entries(self) -> list[Entry]:
        return self.kept

    def owner(self) -> str:
        return self.by

    @classmethod
    def merge(cls, into: "Cart", other: "Cart") -> int:
        into.kept += other.kept
        return len(into.kept)

    def copy(self) -> "Cart":
        made = Cart(self.by)
        made.kept = list(self.kept)
        return made
