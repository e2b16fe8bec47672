"""Making two terms equal, and saying where they cannot be."""

from msgspec import Struct

from rib.terms import (
    POISON,
    InstanceTerm,
    ListTerm,
    Nominal,
    OptionTerm,
    Poison,
    RangeTerm,
    RecordTerm,
    ResourceTerm,
    ResultTerm,
    Term,
    TupleTerm,
    Unit,
    Variable,
    range_fields,
    resolve,
    variables,
)
from wit.subtype import same_type
from wit.types import FlagsType, Primitive

__all__ = ["Conflict", "unify"]


class Conflict(Struct, frozen=True):
    """Two terms that cannot be equal. `path` leads from the whole to them, in field names.

    `missing` and `surplus` are set when two records differ in their field names.
    """

    path: tuple[str, ...]
    expected: Term
    found: Term
    missing: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()


def unify(expected: Term, found: Term) -> list[Conflict]:
    """Bind variables so that both are equal; returns every place where that fails.

    Parts that fit are bound even when others do not.
    """
    conflicts: list[Conflict] = []
    _unify(expected, found, (), conflicts)
    return conflicts


def _unify(expected: Term, found: Term, path: tuple[str, ...], conflicts: list[Conflict]) -> None:
    left, right = resolve(expected), resolve(found)
    if left is right:
        return
    if isinstance(left, Poison) or isinstance(right, Poison):
        _poison(right if isinstance(left, Poison) else left)
        return
    if isinstance(left, Variable) and isinstance(right, Variable):
        _join(left, right, path, conflicts)
    elif isinstance(left, Variable):
        _bind(left, right, Conflict(path, left, right), conflicts)
    elif isinstance(right, Variable):
        _bind(right, left, Conflict(path, left, right), conflicts)
    else:
        _structure(left, right, path, conflicts)


def _poison(term: Term) -> None:
    for variable in variables(term):
        variable.target = POISON


def _join(
    left: Variable, right: Variable, path: tuple[str, ...], conflicts: list[Conflict]
) -> None:
    allowed = _intersection(left.allowed, right.allowed)
    shapes = [
        allowed is not None,
        left.fields is not None or right.fields is not None,
        left.labels is not None or right.labels is not None,
    ]
    if allowed == frozenset() or sum(shapes) > 1:
        conflicts.append(Conflict(path, _frozen(left), _frozen(right)))
        return
    fields = _joined_fields(left.fields, right.fields, path, conflicts)
    # Binding the fields may have bound the variables themselves, if the type were infinite.
    if left.target is not None or right.target is not None:
        conflicts.append(Conflict(path, left, right))
        return
    right.allowed, right.fields = allowed, fields
    if left.labels is not None or right.labels is not None:
        right.labels = tuple(dict.fromkeys((left.labels or ()) + (right.labels or ())))
    right.default = right.default or left.default
    right.open_side = right.open_side and left.open_side
    left.target = right


def _frozen(variable: Variable) -> Variable:
    """Return a copy for messages: the original may still change."""
    copy = Variable(variable.allowed, labels=variable.labels)
    copy.fields = variable.fields
    return copy


def _intersection(
    left: frozenset[Primitive] | None, right: frozenset[Primitive] | None
) -> frozenset[Primitive] | None:
    if left is None or right is None:
        return left if right is None else right
    return left & right


def _joined_fields(
    left: dict[str, Term] | None,
    right: dict[str, Term] | None,
    path: tuple[str, ...],
    conflicts: list[Conflict],
) -> dict[str, Term] | None:
    if left is None or right is None:
        return left if right is None else right
    for name in left.keys() & right.keys():
        _unify(left[name], right[name], (*path, name), conflicts)
    return {**left, **right}


def _bind(variable: Variable, term: Term, conflict: Conflict, conflicts: list[Conflict]) -> None:
    """Bind a variable to a term that is none, if its restrictions allow it."""
    frozen = _frozen(variable)
    expected = frozen if conflict.expected is variable else conflict.expected
    found = frozen if conflict.found is variable else conflict.found
    conflict = Conflict(conflict.path, expected, found)
    if variable in variables(term):
        conflicts.append(conflict)
        return
    if variable.allowed is not None and term not in variable.allowed:
        conflicts.append(conflict)
        return
    if variable.labels is not None and not set(variable.labels) <= set(_labels(term)):
        conflicts.append(conflict)
        return
    if variable.fields is not None:
        members = _members(term)
        if members is None or not variable.fields.keys() <= members.keys():
            conflicts.append(conflict)
            return
        for name, field in variable.fields.items():
            _unify(members[name], field, (*conflict.path, name), conflicts)
    if isinstance(term, Unit) and not variable.open_side:
        conflicts.append(conflict)
        return
    variable.target = term


def _labels(term: Term) -> tuple[str, ...]:
    match term:
        case Nominal(FlagsType(labels)):
            return labels
        case _:
            return ()


def _members(term: Term) -> dict[str, Term] | None:
    match term:
        case RecordTerm(fields):
            return fields
        case RangeTerm():
            return range_fields(term)
        case _:
            return None


def _structure(left: Term, right: Term, path: tuple[str, ...], conflicts: list[Conflict]) -> None:
    match left, right:
        case ListTerm(a, a_length), ListTerm(b, b_length) if _lengths_fit(a_length, b_length):
            _unify(a, b, path, conflicts)
        case (OptionTerm(a), OptionTerm(b)):
            _unify(a, b, path, conflicts)
        case ResultTerm(a_ok, a_err), ResultTerm(b_ok, b_err):
            _unify(a_ok, b_ok, path, conflicts)
            _unify(a_err, b_err, path, conflicts)
        case TupleTerm(a), TupleTerm(b) if len(a) == len(b):
            for index, (one, other) in enumerate(zip(a, b, strict=True)):
                _unify(one, other, (*path, str(index)), conflicts)
        case RangeTerm(a, a_end), RangeTerm(b, b_end) if a_end == b_end:
            _unify(a, b, path, conflicts)
        case ((RecordTerm() | RangeTerm()), (RecordTerm() | RangeTerm())):
            _records(left, right, path, conflicts)
        case Nominal(a), Nominal(b) if same_type(a, b):
            pass
        case Primitive(), Primitive() if left is right:
            pass
        case Unit(), Unit():
            pass
        case InstanceTerm(a), InstanceTerm(b) if a == b:
            pass
        case ResourceTerm(), ResourceTerm() if _identity(left) == _identity(right):
            pass
        case _:
            conflicts.append(Conflict(path, left, right))


def _identity(term: ResourceTerm) -> tuple[str, str | None, str]:
    return term.component, term.interface, term.name


def _lengths_fit(left: int | None, right: int | None) -> bool:
    return left == right


def _records(left: Term, right: Term, path: tuple[str, ...], conflicts: list[Conflict]) -> None:
    a, b = _members(left), _members(right)
    assert a is not None
    assert b is not None
    for name in a:
        if name in b:
            _unify(a[name], b[name], (*path, name), conflicts)
    missing = tuple(name for name in a if name not in b)
    surplus = tuple(name for name in b if name not in a)
    if missing or surplus:
        conflicts.append(Conflict(path, left, right, missing, surplus))
