"""Text of core modules: functions with their locals, and imports, each once."""

from typing import Final, TypeAlias, final

from msgspec import Struct

from actors.engine.core.module import FunctionSignature
from actors.engine.plan.model import CoreSource, FromInstance, ResourceId

__all__ = [
    "BeginScope",
    "Borrow",
    "DropHandle",
    "EndScope",
    "Flags",
    "Function",
    "Import",
    "ModuleText",
    "Own",
    "Source",
    "Trap",
    "host_signature",
    "signature_text",
]


class Trap(Struct, frozen=True):
    """Host function: ends the call with message `TRAPS[number]`."""


class BeginScope(Struct, frozen=True):
    """Host function: a call with borrowed handles begins."""


class EndScope(Struct, frozen=True):
    """Host function: it ends; all of them must have been dropped."""


class Own(Struct, frozen=True):
    """Host function: moves an own handle between the tables of two component instances."""

    resource: ResourceId
    giver: int
    taker: int


class Borrow(Struct, frozen=True):
    """Host function: lends a handle to another component instance, for the innermost scope."""

    resource: ResourceId
    giver: int
    taker: int


class DropHandle(Struct, frozen=True):
    """Host function: removes a handle; returns whether to destroy, and the representation.

    `function` is a number of the plan's resource functions.
    """

    function: int


class Flags(Struct, frozen=True):
    """The memory with one byte of flags per component instance."""


class Source(Struct, frozen=True):
    """A core function of the plan."""

    source: CoreSource


Import: TypeAlias = (
    Trap | BeginScope | EndScope | Own | Borrow | DropHandle | Flags | Source | FromInstance
)
"""What an adapter module imports; `FromInstance` only for memories."""

_SIGNATURES: Final[dict[type, FunctionSignature]] = {
    Trap: FunctionSignature(("i32",), ()),
    BeginScope: FunctionSignature((), ()),
    EndScope: FunctionSignature((), ()),
    Own: FunctionSignature(("i32",), ("i32",)),
    Borrow: FunctionSignature(("i32",), ("i32",)),
    DropHandle: FunctionSignature(("i32",), ("i32", "i32")),
}


def host_signature(import_: Import) -> FunctionSignature:
    """Return the core type of an imported host function."""
    return _SIGNATURES[type(import_)]


def signature_text(signature: FunctionSignature) -> str:
    """Return the type in the text format."""
    return " ".join(
        [f"(param {each})" for each in signature.parameters]
        + [f"(result {each})" for each in signature.results]
    )


@final
class Function:
    """A function being written. Locals and labels get names of their own."""

    def __init__(self, name: str, head: str) -> None:
        self.name = name
        self.lines: list[str] = []
        self._head = head
        self._locals: list[str] = []
        self._count = 0

    def local(self, type_: str) -> str:
        """Return the name of a new local variable."""
        name = self.label()
        self._locals.append(f"(local {name} {type_})")
        return name

    def label(self) -> str:
        """Return a new name."""
        self._count += 1
        return f"$v{self._count}"

    def add(self, *lines: str) -> None:
        """Add instructions."""
        self.lines += lines

    def text(self) -> str:
        """Return the whole function."""
        return "\n".join([f"(func {self.name} {self._head}", *self._locals, *self.lines, ")"])


@final
class ModuleText:
    """A module being written."""

    def __init__(self) -> None:
        self.imports: list[Import] = []
        self._names: dict[Import, str] = {}
        self._declared: list[str] = []
        self._functions: dict[object, str] = {}
        self._texts: list[str] = []

    def imported(self, import_: Import, signature: FunctionSignature | None = None) -> str:
        """Return the name of an import, declaring it at its first use."""
        name = self._names.get(import_)
        if name is None:
            number = len(self.imports)
            name = self._names[import_] = f"$i{number}"
            match import_:
                case Flags() | FromInstance():
                    type_ = f"(memory {name} 0)"
                case _:
                    known = signature or host_signature(import_)
                    type_ = f"(func {name} {signature_text(known)})"
            self.imports.append(import_)
            self._declared.append(f'(import "" "{number}" {type_})')
        return name

    def helper(self, key: object) -> tuple[str, bool]:
        """Return the name of the function for `key`, and whether it must still be written."""
        found = self._functions.get(key)
        if found is not None:
            return found, False
        name = self._functions[key] = f"$f{len(self._functions)}"
        return name, True

    def add(self, function: Function) -> None:
        """Add a finished function."""
        self._texts.append(function.text())

    def text(self) -> str:
        """Return the module."""
        return "\n".join(["(module", *self._declared, *self._texts, ")"])
