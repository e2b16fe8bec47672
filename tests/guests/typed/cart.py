"""A cart."""

from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import TypeAlias

from shem_component import Err, Result, component, resource, u8, u32, u64


class Color(Enum):
    RED = 1
    DARK_BLUE = 2


class Perms(Flag):
    READ = auto()
    WRITE = auto()


@dataclass
class Item:
    """A thing to buy."""

    name: str
    quantity: u32
    color: Color | None = None


@dataclass
class Circle:
    radius: float


@dataclass
class Nothing:
    pass


Shape: TypeAlias = Circle | Nothing | Item


@resource
class Basket:
    """Somebody's basket."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.items: list[Item] = []

    def put(self, item: Item) -> u64:
        self.items.append(item)
        return len(self.items)

    @staticmethod
    def gift() -> "Basket":
        return Basket("gift")


@component
class Cart:
    """Carts and shapes."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    def add(self, item: Item) -> Result[list[Item], str]:
        """Adds an item."""
        if not item.quantity:
            raise Err("nothing of it")
        self.items[item.name] = item
        return list(self.items.values())

    def reshape(self, of: Shape, perms: Perms) -> Shape | None:
        return of if Perms.WRITE in perms else None

    def flip(self, pair: tuple[u8, str], bytes_of: bytes) -> tuple[str, u8]:
        return pair[1] + bytes_of.decode(), pair[0]

    def counts(self) -> dict[str, u32]:
        return {name: item.quantity for name, item in self.items.items()}

    def same(self, basket: Basket) -> Basket:
        return basket

    def owner(self, basket: Basket) -> str:
        return basket.owner

    def paint(self, color: Color) -> Color:
        return Color.RED if color is Color.DARK_BLUE else Color.DARK_BLUE
