"""Rules for patterns: what they demand of the matched type and which variables they introduce."""

from typing import assert_never

from rib.diagnostics import Code
from rib.inference import Inference, nearest
from rib.syntax import (
    Alias,
    Binding,
    Constructor,
    ListPattern,
    LiteralPattern,
    Pattern,
    RecordPattern,
    TuplePattern,
    Wildcard,
)
from rib.terms import (
    POISON,
    ListTerm,
    Nominal,
    OptionTerm,
    Poison,
    RangeTerm,
    RecordTerm,
    ResultTerm,
    Term,
    TupleTerm,
    Unit,
    Variable,
    from_wit,
    range_fields,
    resolve,
    show,
)
from rib.unify import unify
from rib.uses import CaseUse
from wit.types import Case, EnumType, VariantType

__all__ = ["infer_pattern"]


def infer_pattern(inference: Inference, pattern: Pattern, term: Term) -> None:
    """Fit a pattern to a type; its variables go into the innermost scope."""
    inference.types[pattern] = term
    match pattern:
        case Wildcard():
            pass
        case Binding(name):
            _binding(inference, pattern, name, term)
        case LiteralPattern(value):
            inference.infer(value)
            inference.demand(term, value)
        case Alias(name, inner):
            inference.slots[pattern] = (inference.define(name, term, pattern),)
            infer_pattern(inference, inner, term)
        case Constructor():
            _constructor(inference, pattern, term)
        case TuplePattern(items):
            elements = tuple(Variable() for _ in items)
            _demand(inference, pattern, term, TupleTerm(elements))
            for item, element in zip(items, elements, strict=True):
                infer_pattern(inference, item, resolve(element))
        case ListPattern(items):
            shape = _list_shape(term)
            _demand(inference, pattern, term, shape)
            for item in items:
                infer_pattern(inference, item, resolve(shape.element))
        case RecordPattern():
            _record(inference, pattern, term)
        case _:
            assert_never(pattern)


def _list_shape(term: Term) -> ListTerm:
    found = resolve(term)
    return found if isinstance(found, ListTerm) else ListTerm(Variable())


def _demand(inference: Inference, pattern: Pattern, term: Term, shape: Term) -> None:
    """Make the matched type have the shape of the pattern."""
    for conflict in unify(term, shape):
        inference.report_conflict(conflict, pattern)


def _binding(inference: Inference, pattern: Binding, name: str, term: Term) -> None:
    type_ = _cases_of(inference, name, term)
    if type_ is None:
        inference.slots[pattern] = (inference.define(name, term, pattern),)
        return
    # A bare name of a case with a payload ignores the payload.
    inference.uses[pattern] = CaseUse(name)


def _cases_of(inference: Inference, name: str, term: Term) -> VariantType | EnumType | None:
    """Return the matched type if it has a case of this name; an unknown type takes its only one."""
    found = resolve(term)
    if isinstance(found, Variable) and not (found.allowed or found.fields or found.labels):
        candidates = inference.catalog.cases(name)
        if len(candidates) == 1:
            unify(found, Nominal(candidates[0]))
            return candidates[0]
    match found:
        case Nominal(EnumType() as type_) if name in type_.cases:
            return type_
        case Nominal(VariantType() as type_) if any(c.name == name for c in type_.cases):
            return type_
        case _:
            return None


def _constructor(inference: Inference, pattern: Constructor, term: Term) -> None:
    match pattern.name:
        case "some":
            some = Variable()
            _demand(inference, pattern, term, OptionTerm(some))
            _payload(inference, pattern, resolve(some))
        case "none":
            _demand(inference, pattern, term, OptionTerm(Variable()))
        case "ok" | "err":
            _result(inference, pattern, term)
        case name:
            _case(inference, pattern, name, term)


def _result(inference: Inference, pattern: Constructor, term: Term) -> None:
    sides = Variable(open_side=True), Variable(open_side=True)
    _demand(inference, pattern, term, ResultTerm(*sides))
    side = resolve(sides[0 if pattern.name == "ok" else 1])
    if isinstance(side, Unit) and not pattern.arguments:
        return
    _payload(inference, pattern, side)


def _case(inference: Inference, pattern: Constructor, name: str, term: Term) -> None:
    type_ = _cases_of(inference, name, term)
    if type_ is None:
        found = resolve(term)
        if not isinstance(found, Poison):
            known = [c.name for c in _variant_cases(found)]
            cause = f"{show(found)} has no case `{name}`"
            inference.report(pattern, Code.PATTERN, cause, (), nearest(name, known))
        for argument in pattern.arguments:
            infer_pattern(inference, argument, POISON)
        return
    inference.uses[pattern] = CaseUse(name)
    payload = next((c.type for c in _variant_cases(Nominal(type_)) if c.name == name), None)
    if payload is None and not pattern.arguments:
        return
    if payload is None:
        cause = f"the case `{name}` has no value to match"
        inference.report(pattern, Code.PATTERN, cause, (), (f"write `{name}`",))
        return
    _payload(inference, pattern, from_wit(payload))


def _variant_cases(term: Term) -> tuple[Case, ...]:
    match term:
        case Nominal(VariantType(cases)):
            return cases
        case _:
            return ()


def _payload(inference: Inference, pattern: Constructor, term: Term) -> None:
    if len(pattern.arguments) != 1:
        cause = f"`{pattern.name}` has one value, the pattern has {len(pattern.arguments)}"
        inference.report(pattern, Code.PATTERN, cause, (), (f"write `{pattern.name}(_)`",))
    for argument in pattern.arguments:
        infer_pattern(inference, argument, term)


def _record(inference: Inference, pattern: RecordPattern, term: Term) -> None:
    found = resolve(term)
    match found:
        case RecordTerm(known):
            fields = known
        case RangeTerm():
            fields = range_fields(found)
        case Variable() if not (found.allowed or found.labels):
            fields = {**(found.fields or {})}
            for entry in pattern.entries:
                fields.setdefault(entry.name, Variable())
            found.fields = fields
        case Poison():
            fields = {entry.name: POISON for entry in pattern.entries}
        case _:
            cause = f"a record pattern cannot match {show(found)}"
            inference.report(pattern, Code.PATTERN, cause)
            fields = {entry.name: POISON for entry in pattern.entries}
    for entry in pattern.entries:
        if entry.name not in fields:
            cause = f"field `{entry.name}` not found in {show(found)}"
            helps = nearest(entry.name, list(fields))
            inference.report(entry, Code.UNKNOWN_FIELD, cause, (), helps)
        inner = fields.get(entry.name, POISON)
        infer_pattern(inference, entry.pattern, inner)
