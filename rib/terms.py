"""Types as inference sees them: with variables, ranges, and what only exists inside a program.

A WIT type becomes a term and back. Records, lists, options, results and tuples are taken apart,
because parts of them may be unknown; variants, enums, flags and handles stay whole.
"""

from typing import Final, TypeAlias, assert_never, final

from msgspec import Struct

from rib.limits import TYPE_PARTS_MAX
from wit.limits import TYPE_DEPTH_MAX
from wit.type_text import type_text
from wit.types import (
    Borrow,
    EnumType,
    ErrorContextType,
    Field,
    FixedListType,
    FlagsType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Own,
    Primitive,
    RecordType,
    ResultType,
    StreamType,
    TupleType,
    Type,
    TypeName,
    VariantType,
)

__all__ = [
    "DEFAULTS",
    "FLOATS",
    "INTEGERS",
    "NUMBERS",
    "ORDERED",
    "POISON",
    "SIGNED",
    "UNIT",
    "InstanceTerm",
    "ListTerm",
    "Nominal",
    "OptionTerm",
    "Poison",
    "RangeTerm",
    "RecordTerm",
    "ResourceTerm",
    "ResultTerm",
    "Term",
    "TupleTerm",
    "Unit",
    "Variable",
    "from_wit",
    "is_storable",
    "is_too_large",
    "range_fields",
    "resolve",
    "show",
    "to_wit",
    "variables",
]

_P = Primitive
SIGNED_INTEGERS: Final = frozenset({_P.S8, _P.S16, _P.S32, _P.S64})
INTEGERS: Final = SIGNED_INTEGERS | {_P.U8, _P.U16, _P.U32, _P.U64}
FLOATS: Final = frozenset({_P.F32, _P.F64})
NUMBERS: Final = INTEGERS | FLOATS
SIGNED: Final = SIGNED_INTEGERS | FLOATS
ORDERED: Final = NUMBERS | {_P.STRING, _P.CHAR}
# What a number that nothing constrains becomes: the first of these that it may be.
DEFAULTS: Final = (_P.U64, _P.S64, _P.F64)


@final
class Variable:
    """A type that is not known yet.

    `allowed` restricts it to some primitives; `fields` to records that have at least these;
    `labels` to flags that have at least these. `default` is taken when nothing else decides, and
    `open_side` marks a side of a result that may stay without payload.
    """

    __slots__ = ("allowed", "default", "fields", "labels", "open_side", "target")

    def __init__(
        self,
        allowed: frozenset[Primitive] | None = None,
        *,
        default: "Term | None" = None,
        labels: tuple[str, ...] | None = None,
        open_side: bool = False,
    ) -> None:
        self.target: Term | None = None
        self.allowed = allowed
        self.default = default
        self.fields: dict[str, Term] | None = None
        self.labels = labels
        self.open_side = open_side


class ListTerm(Struct, frozen=True, eq=False, tag="list"):
    """`list<T>`, or `list<T, N>` with a length."""

    element: "Term"
    length: int | None = None


class OptionTerm(Struct, frozen=True, eq=False, tag="option"):
    """`option<T>`."""

    some: "Term"


class ResultTerm(Struct, frozen=True, eq=False, tag="result"):
    """`result<T, E>`; a side without payload is `Unit`."""

    ok: "Term"
    err: "Term"


class TupleTerm(Struct, frozen=True, eq=False, tag="tuple"):
    """`tuple<A, B>`."""

    elements: tuple["Term", ...]


class RecordTerm(Struct, frozen=True, eq=False, tag="record"):
    """A record; the order of its fields does not matter."""

    fields: dict[str, "Term"]
    name: TypeName | None = None


class RangeTerm(Struct, frozen=True, eq=False, tag="range"):
    """A range of integers, which is a record to everyone who looks at it as one."""

    element: "Term"
    has_end: bool


class Nominal(Struct, frozen=True, eq=False, tag_field="term", tag="nominal"):
    """A WIT type without unknown parts."""

    type: Type


class Unit(Struct, frozen=True, eq=False, tag="unit"):
    """No value: the result of a `let`, of a function without result, a side without payload."""


class InstanceTerm(Struct, frozen=True, eq=False, tag="instance"):
    """A worker; `parameter` narrows the functions that are visible through it."""

    parameter: str | None = None


class ResourceTerm(Struct, frozen=True, eq=False, tag="resource"):
    """A resource inside a worker, named by its constructor and the parameters given to it."""

    component: str
    interface: str | None
    name: str


class Poison(Struct, frozen=True, eq=False, tag="poison"):
    """The type of what is wrong already: fits everywhere, so that one fault is told once."""


Term: TypeAlias = (
    Variable
    | Primitive
    | ListTerm
    | OptionTerm
    | ResultTerm
    | TupleTerm
    | RecordTerm
    | RangeTerm
    | Nominal
    | Unit
    | InstanceTerm
    | ResourceTerm
    | Poison
)

UNIT: Final = Unit()
POISON: Final = Poison()


def resolve(term: Term) -> Term:
    """Return what a term stands for: the last variable of a chain, or what it was bound to."""
    while isinstance(term, Variable) and term.target is not None:
        term = term.target
    return term


def range_fields(term: RangeTerm) -> dict[str, Term]:
    """Return the fields of a range seen as a record; one without end has no `to`."""
    position = OptionTerm(term.element)
    if term.has_end:
        return {"from": position, "to": position, "inclusive": Primitive.BOOL}
    return {"from": position, "inclusive": Primitive.BOOL}


def parts(term: Term) -> tuple[Term, ...]:
    """Return the terms directly inside a resolved term."""
    match term:
        case ListTerm(inner) | OptionTerm(inner) | RangeTerm(inner):
            return (inner,)
        case ResultTerm(ok, err):
            return (ok, err)
        case TupleTerm(elements):
            return elements
        case RecordTerm(fields):
            return tuple(fields.values())
        case Variable():
            return tuple((term.fields or {}).values())
        case Primitive() | Nominal() | Unit() | InstanceTerm() | ResourceTerm() | Poison():
            return ()
        case _:
            assert_never(term)


def variables(term: Term) -> list[Variable]:
    """Return the unknown parts of a term, each once, outermost first."""
    found: list[Variable] = []
    # Types share parts, so that a walk without memory could take for ever.
    seen: set[int] = set()
    waiting = [term]
    while waiting:
        current = resolve(waiting.pop())
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, Variable):
            found.append(current)
        waiting.extend(parts(current))
    return found


def is_too_large(term: Term) -> bool:
    """Return whether a type has too many parts or nests too deeply to be worked with."""
    count = 0
    waiting = [(term, 1)]
    while waiting:
        current, depth = waiting.pop()
        count += 1
        if count > TYPE_PARTS_MAX or depth > TYPE_DEPTH_MAX:
            return True
        waiting.extend((part, depth + 1) for part in parts(resolve(current)))
    return False


def from_wit(type_: Type | None) -> Term:
    """Return the term of a WIT type; None is `Unit`."""
    match type_:
        case None:
            return UNIT
        case Primitive():
            return type_
        case ListType(element):
            return ListTerm(from_wit(element))
        case FixedListType(element, length):
            return ListTerm(from_wit(element), length)
        case OptionType(some):
            return OptionTerm(from_wit(some))
        case ResultType(ok, err):
            return ResultTerm(from_wit(ok), from_wit(err))
        case TupleType(elements):
            return TupleTerm(tuple(map(from_wit, elements)))
        case RecordType(fields, name):
            return RecordTerm({field.name: from_wit(field.type) for field in fields}, name)
        case VariantType() | EnumType() | FlagsType() | Own() | Borrow():
            return Nominal(type_)
        case MapType() | FutureType() | StreamType() | ErrorContextType():
            return Nominal(type_)
        case _:
            assert_never(type_)


def is_storable(term: Term) -> bool:
    """Return whether a term has a WIT type: it contains no instance and no resource by name."""
    found = resolve(term)
    if isinstance(found, InstanceTerm | ResourceTerm | Poison | Variable):
        return False
    return all(map(is_storable, parts(found)))


def to_wit(term: Term) -> Type | None:
    """Return the WIT type of a term without unknown parts; None is no value.

    What only exists inside a program has no WIT type and must not be asked for.
    """
    match resolve(term):
        case Primitive() as primitive:
            return primitive
        case ListTerm(element, length):
            inner = _present(element)
            return ListType(inner) if length is None else FixedListType(inner, length)
        case OptionTerm(some):
            return OptionType(_present(some))
        case ResultTerm(ok, err):
            return ResultType(to_wit(ok), to_wit(err))
        case TupleTerm(elements):
            return TupleType(tuple(map(_present, elements)))
        case RecordTerm(fields, name):
            return _record(fields, name)
        case RangeTerm() as range_:
            return _record(range_fields(range_), None)
        case Nominal(type_):
            return type_
        case Unit():
            return None
        case InstanceTerm() | ResourceTerm() | Poison() | Variable() as other:
            raise AssertionError(f"{other!r} has no WIT type")


def _present(term: Term) -> Type:
    type_ = to_wit(term)
    # A list of nothing cannot be written down; its elements are all the empty tuple.
    return TupleType(()) if type_ is None else type_


def _record(fields: dict[str, Term], name: TypeName | None) -> RecordType:
    return RecordType(tuple(Field(key, _present(value)) for key, value in fields.items()), name)


def show(term: Term) -> str:
    """Return a term as messages show it."""
    return "a very large type" if is_too_large(term) else _show(term)


def _show(term: Term) -> str:
    match resolve(term):
        case Variable() as variable:
            return _show_variable(variable)
        case Primitive() as primitive:
            return primitive.value
        case ListTerm(element, length):
            return f"list<{_show(element)}{'' if length is None else f', {length}'}>"
        case OptionTerm(some):
            return f"option<{_show(some)}>"
        case ResultTerm(ok, err):
            return _show_result(ok, err)
        case TupleTerm(elements):
            return f"tuple<{', '.join(map(_show, elements))}>"
        case RecordTerm(fields, name):
            return name.name if name is not None else _show_record(fields)
        case RangeTerm(element):
            return f"range<{_show(element)}>"
        case Nominal(type_):
            return type_text(type_)
        case Unit():
            return "no value"
        case InstanceTerm():
            return "instance"
        case ResourceTerm(_, _, name):
            return f"resource {name}"
        case Poison():
            return "_"


def _show_result(ok: Term, err: Term) -> str:
    sides = ["_" if isinstance(resolve(side), Unit) else _show(side) for side in (ok, err)]
    if sides == ["_", "_"]:
        return "result"
    return f"result<{sides[0]}>" if sides[1] == "_" else f"result<{', '.join(sides)}>"


def _show_record(fields: dict[str, Term]) -> str:
    return f"record {{ {', '.join(f'{key}: {_show(value)}' for key, value in fields.items())} }}"


def _show_variable(variable: Variable) -> str:
    if variable.fields is not None:
        return _show_record(variable.fields)
    if variable.labels is not None:
        return f"flags {{ {', '.join(variable.labels)} }}"
    if variable.allowed is None:
        return "_"
    if len(variable.allowed) == 1:
        return next(iter(variable.allowed)).value
    for group, name in ((FLOATS, "float"), (INTEGERS, "integer"), (NUMBERS, "number")):
        if variable.allowed <= group:
            return name
    return "number, string or char"
