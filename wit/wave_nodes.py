"""The tree of WAVE text, before it meets a type. Offsets count characters from the start."""

from typing import TypeAlias

from msgspec import Struct

__all__ = [
    "KEYWORDS",
    "Call",
    "CharacterNode",
    "FieldNode",
    "FlagsNode",
    "LabelNode",
    "ListNode",
    "Node",
    "NumberNode",
    "Outcome",
    "RecordNode",
    "StringNode",
    "TupleNode",
]

KEYWORDS = frozenset({"true", "false", "inf", "nan", "some", "none", "ok", "err"})


class NumberNode(Struct, frozen=True, gc=False, tag="number"):
    """A number as it is written, or `-inf`."""

    offset: int
    text: str


class StringNode(Struct, frozen=True, gc=False, tag="string"):
    """A string with its escapes resolved."""

    offset: int
    value: str


class CharacterNode(Struct, frozen=True, gc=False, tag="character"):
    """A character with its escape resolved."""

    offset: int
    value: str


class LabelNode(Struct, frozen=True, gc=False, tag="label"):
    """A bare word, perhaps with a payload: a case, a keyword, a flat enum."""

    offset: int
    name: str
    # `%ok` is the case ok of a variant, never the keyword.
    escaped: bool = False
    payload: "Node | None" = None

    @property
    def keyword(self) -> str:
        """The keyword that the label is, or an empty text."""
        return "" if self.escaped or self.name not in KEYWORDS else self.name


class ListNode(Struct, frozen=True, gc=False, tag="list"):
    """`[a, b]`."""

    offset: int
    items: tuple["Node", ...]


class TupleNode(Struct, frozen=True, gc=False, tag="tuple"):
    """`(a, b)`."""

    offset: int
    items: tuple["Node", ...]


class FieldNode(Struct, frozen=True, gc=False):
    """`name: value` inside a record."""

    offset: int
    name: str
    value: "Node"


class RecordNode(Struct, frozen=True, gc=False, tag="record"):
    """`{a: 1, b: 2}`, or `{:}` without fields."""

    offset: int
    fields: tuple[FieldNode, ...]


class FlagsNode(Struct, frozen=True, gc=False, tag="flags"):
    """`{a, b}` or `{}`."""

    offset: int
    labels: tuple[LabelNode, ...]


Node: TypeAlias = (
    NumberNode
    | StringNode
    | CharacterNode
    | LabelNode
    | ListNode
    | TupleNode
    | RecordNode
    | FlagsNode
)


class Call(Struct, frozen=True):
    """A function name with arguments that are not yet bound to types.

    `function` is the name as written, without spaces, escapes and constructor arguments.
    `constructor` holds the arguments in `{cart("x").add}`: the resource that the method is called
    on. `text` is the whole source, for errors.
    """

    function: str
    arguments: tuple[Node, ...]
    constructor: tuple[Node, ...] | None = None
    text: str = ""


class Outcome(Struct, frozen=True):
    """A call with what it returned; `result` is None where nothing was returned."""

    call: Call
    result: Node | None = None
