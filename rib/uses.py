"""What names and calls turned out to mean. Inference decides it, code generation follows."""

from typing import TypeAlias

from msgspec import Struct

from rib.catalog import FunctionUse
from rib.syntax import Expression

__all__ = [
    "BuiltinUse",
    "CaseUse",
    "ConstructorUse",
    "DropUse",
    "HandleUse",
    "InputUse",
    "LocalUse",
    "MethodUse",
    "Rewritten",
    "Use",
    "WorkerUse",
]


class LocalUse(Struct, frozen=True, tag="local"):
    """A variable of the program."""

    slot: int


class InputUse(Struct, frozen=True, tag="input"):
    """A global input, by its dotted path."""

    path: str


class CaseUse(Struct, frozen=True, tag="case"):
    """A case of the variant or enum that the node has as its type."""

    name: str


class WorkerUse(Struct, frozen=True, tag="worker"):
    """A function of a worker."""

    use: FunctionUse


class ConstructorUse(Struct, frozen=True, tag="constructor"):
    """A resource of a worker, named by the parameters of its constructor."""

    use: FunctionUse


class MethodUse(Struct, frozen=True, tag="method"):
    """A method of such a resource."""

    use: FunctionUse


class HandleUse(Struct, frozen=True, tag="handle"):
    """A method of a resource that a worker returned as a handle."""

    use: FunctionUse


class DropUse(Struct, frozen=True, tag="drop"):
    """The end of a resource."""


class BuiltinUse(Struct, frozen=True, tag="builtin"):
    """A function of the language."""

    name: str


class Rewritten(Struct, frozen=True, tag="rewritten"):
    """A form that means the same as another expression."""

    expression: Expression


Use: TypeAlias = (
    LocalUse
    | InputUse
    | CaseUse
    | WorkerUse
    | ConstructorUse
    | MethodUse
    | HandleUse
    | DropUse
    | BuiltinUse
    | Rewritten
)
