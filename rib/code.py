"""What a program is compiled to: instructions for a stack machine, in a form that can be stored.

Instructions are arrays in JSON, `["load", 3]`. `VERSION` changes whenever the meaning of stored
code does; code of another version is refused and compiled again from its text, which it contains.
"""

from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from rib.catalog import FunctionUse
from rib.diagnostics import Diagnostic
from rib.errors import ProgramFormatError
from wit.types import Type

__all__ = [
    "VERSION",
    "And",
    "Append",
    "Arithmetic",
    "AssertCompare",
    "AssertFailure",
    "AssertTrue",
    "Bare",
    "Builtin",
    "CallHandle",
    "CallResource",
    "CallWorker",
    "Compare",
    "Compiled",
    "Drop",
    "Element",
    "EndList",
    "GetField",
    "GetItem",
    "GetSlice",
    "Guard",
    "Input",
    "Instruction",
    "Iterate",
    "Join",
    "Jump",
    "JumpUnless",
    "Load",
    "LoadInput",
    "MakeCase",
    "MakeFlags",
    "MakeList",
    "MakeRange",
    "MakeRecord",
    "MakeResource",
    "MakeTuple",
    "MakeWorker",
    "Negate",
    "NewList",
    "Next",
    "Not",
    "Or",
    "Payload",
    "Pop",
    "Push",
    "Render",
    "Store",
    "TestCase",
    "TestEqual",
    "TestLength",
    "TestNone",
    "TestSome",
    "Unguard",
    "Unwrap",
    "Wrap",
    "decode",
    "encode",
]

VERSION: Final = 1


class Base(Struct, frozen=True, array_like=True, tag_field="op"):
    """What all instructions have."""


class Push(Base, frozen=True, tag="push"):
    """Push a literal; None is the absent option and the result of what has none."""

    value: bool | int | float | str | None


class Load(Base, frozen=True, tag="load"):
    """Push a variable."""

    slot: int


class Store(Base, frozen=True, tag="store"):
    """Pop into a variable."""

    slot: int


class LoadInput(Base, frozen=True, tag="input"):
    """Push an input."""

    index: int


class Pop(Base, frozen=True, tag="pop"):
    """Drop the top."""


class MakeList(Base, frozen=True, tag="list"):
    """Pop so many elements, push their list, or bytes for a list of u8."""

    count: int
    is_bytes: bool


class MakeTuple(Base, frozen=True, tag="tuple"):
    """Pop so many elements, push their tuple."""

    count: int


class MakeRecord(Base, frozen=True, tag="record"):
    """Pop one value for each name, push the record."""

    names: tuple[str, ...]


class MakeFlags(Base, frozen=True, tag="flags"):
    """Push flags."""

    labels: tuple[str, ...]


class MakeRange(Base, frozen=True, tag="range"):
    """Pop the last element if there is one, and the first; push the range."""

    has_end: bool
    is_inclusive: bool


class MakeCase(Base, frozen=True, tag="case"):
    """Pop the payload if the case has one, push the variant."""

    name: str
    has_payload: bool


class Wrap(Base, frozen=True, tag="wrap"):
    """Replace the top by `some`, `ok` or `err` of it."""

    kind: str


class Bare(Base, frozen=True, tag="bare"):
    """Push `ok` or `err` without payload."""

    kind: str


class GetField(Base, frozen=True, tag="field"):
    """Replace a record by a field of it."""

    name: str


class GetItem(Base, frozen=True, tag="item"):
    """Pop an index and a list, push the element."""


class GetSlice(Base, frozen=True, tag="slice"):
    """Pop a range and a list, push the part of the list."""


class Element(Base, frozen=True, tag="element"):
    """Replace a tuple or list by an element that is known to be there."""

    index: int


class Payload(Base, frozen=True, tag="payload"):
    """Replace a variant or result by its payload."""


class Unwrap(Base, frozen=True, tag="unwrap"):
    """Replace a present option by its value."""


class Arithmetic(Base, frozen=True, tag="arithmetic"):
    """Pop two numbers of one type, push the result or fail."""

    operator: str
    type: Type


class Negate(Base, frozen=True, tag="negate"):
    """Replace a number by its negative or fail."""

    type: Type


class Not(Base, frozen=True, tag="not"):
    """Replace a bool by its opposite."""


class Compare(Base, frozen=True, tag="compare"):
    """Pop two values of one type, push whether they stand in the relation."""

    operator: str


class Jump(Base, frozen=True, tag="jump"):
    """Continue elsewhere."""

    target: int


class JumpUnless(Base, frozen=True, tag="unless"):
    """Pop a bool, continue elsewhere if it is false."""

    target: int


class And(Base, frozen=True, tag="and"):
    """If the top is false continue elsewhere and keep it, else pop it."""

    target: int


class Or(Base, frozen=True, tag="or"):
    """If the top is true continue elsewhere and keep it, else pop it."""

    target: int


class TestCase(Base, frozen=True, tag="is-case"):
    """Replace a variant or result by whether it is of a case."""

    name: str


class TestSome(Base, frozen=True, tag="is-some"):
    """Replace an option by whether it is present."""


class TestNone(Base, frozen=True, tag="is-none"):
    """Replace an option by whether it is absent."""


class TestEqual(Base, frozen=True, tag="is"):
    """Replace the top by whether it equals a literal."""

    value: bool | int | float | str


class TestLength(Base, frozen=True, tag="is-length"):
    """Replace a list by whether it has so many elements."""

    length: int


class Join(Base, frozen=True, tag="join"):
    """Pop so many strings, push them joined."""

    count: int


class Render(Base, frozen=True, tag="render"):
    """Replace a value by its text."""

    type: int


class NewList(Base, frozen=True, tag="new-list"):
    """Push a list that grows."""


class Append(Base, frozen=True, tag="append"):
    """Pop a value and add it to the list below the iterator."""


class EndList(Base, frozen=True, tag="end-list"):
    """Finish the list that grew."""

    is_bytes: bool


class Iterate(Base, frozen=True, tag="iterate"):
    """Replace a list or range by an iterator."""


class Next(Base, frozen=True, tag="next"):
    """Store the next element; at the end drop the iterator and continue elsewhere."""

    slot: int
    target: int


class MakeWorker(Base, frozen=True, tag="worker"):
    """Pop the name if there is one, push the worker."""

    has_name: bool


class MakeResource(Base, frozen=True, tag="resource"):
    """Pop constructor parameters and a worker, push the resource; nothing is called."""

    function: int
    count: int


class CallWorker(Base, frozen=True, tag="call"):
    """Pop arguments and a worker, call, push the result."""

    function: int
    count: int


class CallResource(Base, frozen=True, tag="call-resource"):
    """Pop arguments and a resource, call its method, push the result."""

    function: int
    count: int


class CallHandle(Base, frozen=True, tag="call-handle"):
    """Pop arguments and a handle, call its method, push the result."""

    function: int
    count: int


class Drop(Base, frozen=True, tag="drop"):
    """Pop a resource or handle, end it, push nothing's value."""


class Builtin(Base, frozen=True, tag="builtin"):
    """Pop arguments, the receiver first, push the result of a function of the language."""

    name: str
    count: int
    receiver: int
    result: int


class AssertTrue(Base, frozen=True, tag="assert"):
    """Pop a bool, fail if it is false."""


class AssertCompare(Base, frozen=True, tag="assert-compare"):
    """Pop two values of a type, fail showing both unless they stand in the relation."""

    operator: str
    type: int


class Guard(Base, frozen=True, tag="guard"):
    """From here on a failure pushes its text and continues elsewhere."""

    target: int


class Unguard(Base, frozen=True, tag="unguard"):
    """Fail, because what a guard watched did not."""


class AssertFailure(Base, frozen=True, tag="assert-failure"):
    """Pop the text of a failure, and the text that it must contain if there is one."""

    has_text: bool


Instruction: TypeAlias = (
    Push
    | Load
    | Store
    | LoadInput
    | Pop
    | MakeList
    | MakeTuple
    | MakeRecord
    | MakeFlags
    | MakeRange
    | MakeCase
    | Wrap
    | Bare
    | GetField
    | GetItem
    | GetSlice
    | Element
    | Payload
    | Unwrap
    | Arithmetic
    | Negate
    | Not
    | Compare
    | Jump
    | JumpUnless
    | And
    | Or
    | TestCase
    | TestSome
    | TestNone
    | TestEqual
    | TestLength
    | Join
    | Render
    | NewList
    | Append
    | EndList
    | Iterate
    | Next
    | MakeWorker
    | MakeResource
    | CallWorker
    | CallResource
    | CallHandle
    | Drop
    | Builtin
    | AssertTrue
    | AssertCompare
    | Guard
    | Unguard
    | AssertFailure
)


class Input(Struct, frozen=True):
    """A global that a program reads: `request.path.user`, and the type it needs."""

    name: str
    type: Type


class Compiled(Struct, frozen=True):
    """A compiled program.

    `places` has the range in `text` of each instruction. `result` None means that the program has
    no value. Type operands of instructions index `types`, function operands `functions`.
    """

    version: int
    text: str
    instructions: tuple[Instruction, ...]
    places: tuple[tuple[int, int], ...]
    slot_count: int
    inputs: tuple[Input, ...]
    functions: tuple[FunctionUse, ...]
    types: tuple[Type | None, ...]
    result: Type | None
    warnings: tuple[Diagnostic, ...] = ()


def encode(code: Compiled) -> bytes:
    """Return stored code: JSON."""
    return msgspec.json.encode(code)


class _Version(Struct, frozen=True):
    version: int


def decode(stored: bytes) -> Compiled:
    """Return code that `encode` stored.

    Raises:
        ProgramFormatError: another version, or no code at all.
    """
    try:
        version = msgspec.json.decode(stored, type=_Version).version
        if version == VERSION:
            return msgspec.json.decode(stored, type=Compiled)
    except msgspec.DecodeError as error:
        raise ProgramFormatError(f"this is no stored program: {error}") from error
    reason = f"the program is stored in version {version}, this is version {VERSION}"
    raise ProgramFormatError(f"{reason}: compile its text again")
