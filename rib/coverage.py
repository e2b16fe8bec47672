"""Whether the arms of a match cover every value, and which arms can never be reached.

Patterns become rows of a matrix that is split by constructor, column by column. A type whose
constructors are too many to list (numbers, strings, lists, flags) needs an arm that takes anything.
"""

from collections.abc import Sequence
from typing import TypeAlias, final

from msgspec import Struct

from rib.limits import PATTERN_WORK_MAX, SHOWN_PATTERNS_MAX
from rib.printer import pattern_text
from rib.syntax import (
    Alias,
    Binding,
    Constructor,
    ListPattern,
    LiteralPattern,
    Node,
    Pattern,
    RecordPattern,
    TuplePattern,
    Wildcard,
)
from rib.terms import (
    ListTerm,
    Nominal,
    OptionTerm,
    RangeTerm,
    RecordTerm,
    ResultTerm,
    Term,
    TupleTerm,
    Unit,
    from_wit,
    range_fields,
    resolve,
)
from rib.uses import CaseUse, Use
from wit.types import EnumType, Primitive, VariantType

__all__ = ["Coverage", "is_irrefutable"]


class Shape(Struct, frozen=True):
    """A pattern reduced to what matters: a constructor and what is inside it.

    `key` None matches anything.
    """

    key: str | None
    inner: tuple["Shape", ...] = ()


ANY = Shape(None)
Row: TypeAlias = tuple[Shape, ...]


class WorkExceededError(Exception):
    """The analysis would take too long; nothing is claimed then. Never retried."""


@final
class Coverage:
    """The analysis of one match."""

    def __init__(self, uses: dict[Node, Use]) -> None:
        self._uses = uses
        self._work = 0

    def uncovered(self, patterns: Sequence[Pattern], term: Term) -> list[str]:
        """Return patterns for values that no arm takes, as text; none if all are taken."""
        rows: list[Row] = [(self.shape(pattern, term),) for pattern in patterns]
        try:
            found = self._missing(rows, (term,), SHOWN_PATTERNS_MAX)
        except WorkExceededError:
            return ["_"]
        return [_witness(row[0], term) for row in found]

    def is_useful(self, earlier: Sequence[Pattern], pattern: Pattern, term: Term) -> bool:
        """Return whether a pattern takes a value that no earlier one takes."""
        shape = self.shape(pattern, term)
        rows: list[Row] = [(self.shape(each, term),) for each in earlier]
        try:
            return self._useful(rows, (shape,), (term,))
        except WorkExceededError:
            return True

    def shape(self, pattern: Pattern, term: Term) -> Shape:
        """Return the reduced form of a pattern for values of a type."""
        found = resolve(term)
        match pattern:
            case Wildcard():
                return ANY
            case Binding(name):
                if not isinstance(self._uses.get(pattern), CaseUse):
                    return ANY
                held = (constructors(found) or {}).get(name, ())
                return Shape(name, (ANY,) * len(held))
            case LiteralPattern():
                return Shape(pattern_text(pattern))
            case Alias(_, inner):
                return self.shape(inner, found)
            case Constructor(name, arguments):
                inner_terms = (constructors(found) or {}).get(name, ())
                shapes = [
                    self.shape(argument, inner_term)
                    for argument, inner_term in zip(arguments, inner_terms, strict=False)
                ]
                padding = [ANY] * (len(inner_terms) - len(shapes))
                return Shape(name, (*shapes, *padding))
            case TuplePattern(items):
                terms = _sole(found)
                shapes = [self.shape(i, t) for i, t in zip(items, terms, strict=False)]
                return Shape("", tuple(shapes))
            case ListPattern(items):
                element = found.element if isinstance(found, ListTerm) else found
                shapes = [self.shape(item, element) for item in items]
                return Shape(f"[{len(items)}]", tuple(shapes))
            case RecordPattern(entries):
                named = {entry.name: entry.pattern for entry in entries}
                fields = _fields(found)
                shapes = [
                    self.shape(named[name], field) if name in named else ANY
                    for name, field in fields.items()
                ]
                return Shape("", tuple(shapes))

    def _spend(self) -> None:
        self._work += 1
        if self._work > PATTERN_WORK_MAX:
            raise WorkExceededError

    def _missing(self, rows: list[Row], terms: tuple[Term, ...], most: int) -> list[Row]:
        """Return rows of values that no row takes, at most so many."""
        self._spend()
        if not terms:
            return [] if rows else [()]
        signature = constructors(terms[0])
        heads = {row[0].key for row in rows if row[0].key is not None}
        if signature is None or not heads:
            rest = [row[1:] for row in rows if row[0].key is None]
            return [(ANY, *row) for row in self._missing(rest, terms[1:], most)]
        found: list[Row] = []
        for key, inner in signature.items():
            narrowed = _specialise(rows, key, len(inner))
            for row in self._missing(narrowed, (*inner, *terms[1:]), most - len(found)):
                found.append((Shape(key, row[: len(inner)]), *row[len(inner) :]))
                if len(found) >= most:
                    return found
        return found

    def _useful(self, rows: list[Row], wanted: Row, terms: tuple[Term, ...]) -> bool:
        self._spend()
        if not wanted:
            return not rows
        head, rest = wanted[0], wanted[1:]
        if head.key is not None:
            inner = (constructors(terms[0]) or {}).get(head.key)
            inner = inner if inner is not None else _repeat(terms[0], len(head.inner))
            narrowed = _specialise(rows, head.key, len(head.inner))
            return self._useful(narrowed, (*head.inner, *rest), (*inner, *terms[1:]))
        signature = constructors(terms[0])
        heads = {row[0].key for row in rows if row[0].key is not None}
        if signature is None or heads != set(signature):
            remaining = [row[1:] for row in rows if row[0].key is None]
            return self._useful(remaining, rest, terms[1:])
        return any(
            self._useful(
                _specialise(rows, key, len(inner)),
                (*[ANY] * len(inner), *rest),
                (*inner, *terms[1:]),
            )
            for key, inner in signature.items()
        )


def is_irrefutable(pattern: Pattern, uses: dict[Node, Use]) -> bool:
    """Return whether a pattern takes every value by its form: `_`, a variable, an alias of one."""
    match pattern:
        case Wildcard():
            return True
        case Binding():
            return not isinstance(uses.get(pattern), CaseUse)
        case Alias(_, inner):
            return is_irrefutable(inner, uses)
        case _:
            return False


def constructors(term: Term) -> dict[str, tuple[Term, ...]] | None:
    """Return the constructors of a type with what they hold; None if they cannot be listed."""
    match resolve(term):
        case OptionTerm(some):
            return {"some": (some,), "none": ()}
        case ResultTerm(ok, err):
            return {"ok": _payload(ok), "err": _payload(err)}
        case TupleTerm() | RecordTerm() | RangeTerm() as product:
            return {"": _sole(product)}
        case Nominal(EnumType(cases)):
            return dict.fromkeys(cases, ())
        case Nominal(VariantType(cases)):
            return {c.name: () if c.type is None else (from_wit(c.type),) for c in cases}
        case Primitive.BOOL:
            return {"true": (), "false": ()}
        case _:
            return None


def _payload(side: Term) -> tuple[Term, ...]:
    return () if isinstance(resolve(side), Unit) else (side,)


def _fields(term: Term) -> dict[str, Term]:
    match resolve(term):
        case RecordTerm(fields):
            return fields
        case RangeTerm() as range_:
            return range_fields(range_)
        case _:
            return {}


def _sole(term: Term) -> tuple[Term, ...]:
    found = resolve(term)
    return found.elements if isinstance(found, TupleTerm) else tuple(_fields(found).values())


def _repeat(term: Term, count: int) -> tuple[Term, ...]:
    found = resolve(term)
    element = found.element if isinstance(found, ListTerm) else found
    return (element,) * count


def _specialise(rows: list[Row], key: str, arity: int) -> list[Row]:
    """Return the rows that take a constructor, opened."""
    return [
        (*(row[0].inner if row[0].key is not None else (ANY,) * arity), *row[1:])
        for row in rows
        if row[0].key in {None, key}
    ]


def _witness(shape: Shape, term: Term) -> str:
    """Return a shape as text; a constructor that holds anything stands alone, as `err`."""
    found = resolve(term)
    if shape.key is None:
        return "_"
    if shape.key == "":
        names = list(_fields(found))
        inner = [_witness(s, t) for s, t in zip(shape.inner, _sole(found), strict=True)]
        if isinstance(found, TupleTerm):
            return f"({', '.join(inner)})"
        pairs = zip(names, inner, strict=True)
        return f"{{{', '.join(f'{n}: {text}' for n, text in pairs if text != '_')}}}"
    if all(inner.key is None for inner in shape.inner):
        return shape.key
    held = (constructors(found) or {}).get(shape.key, ())
    inner = [_witness(s, t) for s, t in zip(shape.inner, held, strict=True)]
    return f"{shape.key}({', '.join(inner)})"
