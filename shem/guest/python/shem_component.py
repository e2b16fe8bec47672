r"""Write a component as a typed Python class: its WIT is derived from the class.

    from dataclasses import dataclass
    from shem_component import component, u32

    @dataclass
    class Item:
        name: str
        quantity: u32

    @component
    class Cart:
        def __init__(self) -> None:
            self.items: list[Item] = []

        def add(self, item: Item) -> u32:
            self.items.append(item)
            return len(self.items)

Public methods become functions. The one object of the class is made at the first call, so what its
constructor does is part of the worker's life, and journaled like everything else.

| Python | WIT |
|---|---|
| `bool`, `str`, `bytes`, `float` | `bool`, `string`, `list<u8>`, `f64` |
| `int`; `u8` … `s64`, `f32`, `char` of this module | `s64`; those |
| `list[T]`, `tuple[A, B]`, `dict[K, V]` | `list<T>`, `tuple<A, B>`, `list<tuple<K, V>>` |
| `T \| None` | `option<T>` |
| a dataclass, an `Enum`, a `Flag` | a record, an enum, flags |
| a `TypeAlias` of a union of dataclasses | a variant, a case for each class |
| `Result[T, E]` as what a method returns | `result<T, E>`: return a T, `raise Err(e)` |
| a class marked `@resource` | a resource |

Works in guests and on the host, where only the marks matter.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

__all__ = [
    "Err",
    "Result",
    "char",
    "component",
    "f32",
    "f64",
    "resource",
    "s8",
    "s16",
    "s32",
    "s64",
    "u8",
    "u16",
    "u32",
    "u64",
]

u8 = Annotated[int, "u8"]
u16 = Annotated[int, "u16"]
u32 = Annotated[int, "u32"]
u64 = Annotated[int, "u64"]
s8 = Annotated[int, "s8"]
s16 = Annotated[int, "s16"]
s32 = Annotated[int, "s32"]
s64 = Annotated[int, "s64"]
f32 = Annotated[float, "f32"]
f64 = Annotated[float, "f64"]
char = Annotated[str, "char"]

Value = TypeVar("Value")
Error = TypeVar("Error")
Marked = TypeVar("Marked", bound=type[Any])


class Result(Generic[Value, Error]):
    """What a method returns that may fail: a Value, or it raises `Err(error)`."""


@dataclass
class Err(Exception, Generic[Error]):  # noqa: N818 - the case of a result, named as in WIT
    """The error of a `Result`. Anything else that is raised is a failure of the worker."""

    value: Error


def component(marked: Any = None, *, interface: str = "api") -> Any:
    """Mark the class that is the component; its functions are exported as `interface`."""

    def mark(cls: Marked) -> Marked:
        setattr(cls, "__shem_component__", interface)  # noqa: B010 - classes do not declare it
        return cls

    return mark if marked is None else mark(marked)


def resource(marked: Marked) -> Marked:
    """Mark a class whose objects callers hold handles of."""
    setattr(marked, "__shem_resource__", True)  # noqa: B010 - classes do not declare it
    return marked
