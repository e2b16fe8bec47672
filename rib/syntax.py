"""The tree of a program: expressions, patterns and type annotations, each with its place.

Nodes are compared by identity, because analyses keep what they find out beside the node. Groups
in parentheses leave no node behind; the printer puts them back where they are needed.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias, cast

from msgspec import Struct

__all__ = [
    "Alias",
    "Arm",
    "Assert",
    "Binary",
    "Binding",
    "Block",
    "Boolean",
    "Call",
    "Character",
    "Constructor",
    "DirectCall",
    "Entry",
    "Err",
    "Expression",
    "FieldAccess",
    "Flags",
    "For",
    "If",
    "Index",
    "Instance",
    "Let",
    "ListLiteral",
    "ListPattern",
    "LiteralPattern",
    "Match",
    "Method",
    "Name",
    "Node",
    "Nothing",
    "Number",
    "Ok",
    "Pattern",
    "PatternEntry",
    "Range",
    "Record",
    "RecordPattern",
    "Reduce",
    "Some",
    "Span",
    "String",
    "TupleLiteral",
    "TuplePattern",
    "TypeText",
    "Typed",
    "Unary",
    "Wildcard",
    "children",
    "walk",
]


class Span(NamedTuple):
    """A range of the text: offsets in characters, `end` exclusive."""

    start: int
    end: int


class Base(Struct, frozen=True, eq=False, kw_only=True):
    """What all nodes have."""

    span: Span


class TypeText(Base, frozen=True, eq=False, tag="type", kw_only=False):
    """A type as written: `list<u8>` is `list` with one argument, `_` leaves a side open."""

    name: str
    arguments: tuple["TypeText", ...] = ()


class Number(Base, frozen=True, eq=False, tag="number", kw_only=False):
    """Digits as written, without sign; `suffix` is the type of `1u8`."""

    digits: str
    suffix: str | None = None


class Boolean(Base, frozen=True, eq=False, tag="boolean", kw_only=False):
    """`true` or `false`."""

    value: bool


class Character(Base, frozen=True, eq=False, tag="character", kw_only=False):
    """`'a'`."""

    value: str


class String(Base, frozen=True, eq=False, tag="string", kw_only=False):
    """Text and interpolated expressions in order."""

    parts: tuple["str | Expression", ...]


class Name(Base, frozen=True, eq=False, tag="name", kw_only=False):
    """A variable, a global input, or a case without payload: inference finds out which."""

    name: str


class Instance(Base, frozen=True, eq=False, tag="instance", kw_only=False):
    """`instance[parameter](arguments)`; without parentheses `arguments` is None."""

    parameter: str | None
    arguments: "tuple[Expression, ...] | None"


class ListLiteral(Base, frozen=True, eq=False, tag="list", kw_only=False):
    """`[a, b]`."""

    items: tuple["Expression", ...]


class TupleLiteral(Base, frozen=True, eq=False, tag="tuple", kw_only=False):
    """`(a, b)`."""

    items: tuple["Expression", ...]


class Entry(Base, frozen=True, eq=False, tag="entry", kw_only=False):
    """One member of a record literal."""

    name: str
    value: "Expression"


class Record(Base, frozen=True, eq=False, tag="record", kw_only=False):
    """`{a: 1}`."""

    entries: tuple[Entry, ...]


class Flags(Base, frozen=True, eq=False, tag="flags", kw_only=False):
    """`{a, b}`."""

    labels: tuple[str, ...]


class Some(Base, frozen=True, eq=False, tag="some", kw_only=False):
    """`some(a)`."""

    value: "Expression"


class Nothing(Base, frozen=True, eq=False, tag="none", kw_only=False):
    """`none`."""


class Ok(Base, frozen=True, eq=False, tag="ok", kw_only=False):
    """`ok(a)`, or `ok` for a result without payload on this side."""

    value: "Expression | None"


class Err(Base, frozen=True, eq=False, tag="err", kw_only=False):
    """`err(a)`, or `err` for a result without payload on this side."""

    value: "Expression | None"


class Call(Base, frozen=True, eq=False, tag="call", kw_only=False):
    """`name(arguments)`: a variant constructor or a built-in function."""

    name: str
    arguments: tuple["Expression", ...]


class DirectCall(Base, frozen=True, eq=False, tag="direct-call", kw_only=False):
    """`interface.{function}(arguments)`; `owner` are constructor parameters, `{r(1).m}`."""

    interface: str
    function: str
    owner: "tuple[Expression, ...] | None"
    arguments: tuple["Expression", ...]


class FieldAccess(Base, frozen=True, eq=False, tag="field", kw_only=False):
    """`target.name`."""

    target: "Expression"
    name: str


class Index(Base, frozen=True, eq=False, tag="index", kw_only=False):
    """`target[index]`; a slice when the index is a range."""

    target: "Expression"
    index: "Expression"


class Method(Base, frozen=True, eq=False, tag="method", kw_only=False):
    """`target.name[parameter](arguments)`."""

    target: "Expression"
    name: str
    parameter: str | None
    arguments: tuple["Expression", ...]


class Range(Base, frozen=True, eq=False, tag="range", kw_only=False):
    """`first..last`, `first..=last`, `first..`."""

    first: "Expression"
    last: "Expression | None"
    inclusive: bool


class Unary(Base, frozen=True, eq=False, tag="unary", kw_only=False):
    """`!a` or `-a`."""

    operator: str
    operand: "Expression"


class Binary(Base, frozen=True, eq=False, tag="binary", kw_only=False):
    """`left operator right`."""

    operator: str
    left: "Expression"
    right: "Expression"


class Typed(Base, frozen=True, eq=False, tag="typed", kw_only=False):
    """`value: type`."""

    value: "Expression"
    annotation: TypeText


class Let(Base, frozen=True, eq=False, tag="let", kw_only=False):
    """`let name: type = value`; stands only where statements stand."""

    name: str
    annotation: TypeText | None
    value: "Expression"


class Assert(Base, frozen=True, eq=False, tag="assert", kw_only=False):
    """`assert condition`, or `assert fails subject with text`; only in test files."""

    subject: "Expression"
    fails: bool = False
    text: "Expression | None" = None


class If(Base, frozen=True, eq=False, tag="if", kw_only=False):
    """`if condition then yes else no`."""

    condition: "Expression"
    yes: "Expression"
    no: "Expression"


class Arm(Base, frozen=True, eq=False, tag="arm", kw_only=False):
    """One `pattern => body` of a match."""

    pattern: "Pattern"
    body: "Expression"


class Match(Base, frozen=True, eq=False, tag="match", kw_only=False):
    """`match subject { arms }`."""

    subject: "Expression"
    arms: tuple[Arm, ...]


class For(Base, frozen=True, eq=False, tag="for", kw_only=False):
    """`for name in iterable { statements yield result; }`."""

    name: str
    iterable: "Expression"
    statements: tuple["Expression", ...]
    result: "Expression"


class Reduce(Base, frozen=True, eq=False, tag="reduce", kw_only=False):
    """`reduce accumulator, name in iterable from initial { statements yield result; }`."""

    accumulator: str
    name: str
    iterable: "Expression"
    initial: "Expression"
    statements: tuple["Expression", ...]
    result: "Expression"


class Block(Base, frozen=True, eq=False, tag="block", kw_only=False):
    """Statements in a scope of their own; a program is one, too."""

    statements: tuple["Expression", ...]


Expression: TypeAlias = (
    Number
    | Boolean
    | Character
    | String
    | Name
    | Instance
    | ListLiteral
    | TupleLiteral
    | Record
    | Flags
    | Some
    | Nothing
    | Ok
    | Err
    | Call
    | DirectCall
    | FieldAccess
    | Index
    | Method
    | Range
    | Unary
    | Binary
    | Typed
    | Let
    | Assert
    | If
    | Match
    | For
    | Reduce
    | Block
)


class Wildcard(Base, frozen=True, eq=False, tag="wildcard", kw_only=False):
    """`_`."""


class Binding(Base, frozen=True, eq=False, tag="binding", kw_only=False):
    """A plain name: a case of the matched type if it has one of this name, else a variable."""

    name: str


class LiteralPattern(Base, frozen=True, eq=False, tag="literal", kw_only=False):
    """A number, string, character or boolean."""

    value: "Expression"


class Alias(Base, frozen=True, eq=False, tag="alias", kw_only=False):
    """`name @ pattern`."""

    name: str
    pattern: "Pattern"


class Constructor(Base, frozen=True, eq=False, tag="constructor", kw_only=False):
    """`some(p)`, `none`, `ok(p)`, `err(p)` or a case of a variant with its payload."""

    name: str
    arguments: tuple["Pattern", ...]


class TuplePattern(Base, frozen=True, eq=False, tag="tuple-pattern", kw_only=False):
    """`(p, q)`."""

    items: tuple["Pattern", ...]


class ListPattern(Base, frozen=True, eq=False, tag="list-pattern", kw_only=False):
    """`[p, q]`: a list of exactly this length."""

    items: tuple["Pattern", ...]


class PatternEntry(Base, frozen=True, eq=False, tag="pattern-entry", kw_only=False):
    """One member of a record pattern."""

    name: str
    pattern: "Pattern"


class RecordPattern(Base, frozen=True, eq=False, tag="record-pattern", kw_only=False):
    """`{a: p}`: fields that are not named may be anything."""

    entries: tuple[PatternEntry, ...]


Pattern: TypeAlias = (
    Wildcard
    | Binding
    | LiteralPattern
    | Alias
    | Constructor
    | TuplePattern
    | ListPattern
    | RecordPattern
)

Node: TypeAlias = Expression | Pattern | Arm | Entry | PatternEntry | TypeText


def children(node: Node) -> Iterator[Node]:
    """Yield the nodes directly inside a node, in the order of the text."""
    for name in node.__struct_fields__:
        member: object = getattr(node, name)
        if isinstance(member, Base):
            yield cast("Node", member)
        elif isinstance(member, tuple) and not isinstance(member, Span):
            for item in cast("tuple[object, ...]", member):
                if isinstance(item, Base):
                    yield cast("Node", item)


def walk(root: Node) -> Iterator[tuple[Node, Node | None, int]]:
    """Yield every node with its parent and its depth, without recursion, parents first."""
    waiting: list[tuple[Node, Node | None, int]] = [(root, None, 1)]
    while waiting:
        node, parent, depth = waiting.pop()
        yield node, parent, depth
        waiting.extend((child, node, depth + 1) for child in reversed(list(children(node))))
