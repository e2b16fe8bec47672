"""Rules for statements, branches and loops."""

from rib.diagnostics import Code
from rib.infer_patterns import infer_pattern
from rib.infer_values import annotation, check
from rib.inference import Inference
from rib.syntax import Assert, Block, Expression, For, If, Let, Match, Reduce
from rib.terms import (
    POISON,
    UNIT,
    ListTerm,
    Poison,
    RangeTerm,
    Term,
    Variable,
    resolve,
    show,
)
from rib.unify import unify
from wit.types import Primitive

__all__ = [
    "infer_assert",
    "infer_block",
    "infer_for",
    "infer_if",
    "infer_let",
    "infer_match",
    "infer_reduce",
]


def infer_let(inference: Inference, node: Let) -> Term:
    """Introduce a variable in the enclosing scope."""
    if node.annotation is None:
        term = inference.infer(node.value)
        if resolve(term) is UNIT:
            inference.report(node.value, Code.MISMATCH, "a variable needs a value, found no value")
    else:
        term = annotation(inference, node.annotation)
        check(inference, node.value, term)
    inference.slots[node] = (inference.define(node.name, term, node),)
    return UNIT


def infer_assert(inference: Inference, node: Assert) -> Term:
    """A condition, or something that must fail at run time."""
    if node.fails:
        inference.infer(node.subject)
    else:
        check(inference, node.subject, Primitive.BOOL)
    if node.text is not None:
        check(inference, node.text, Primitive.STRING)
    return UNIT


def infer_block(inference: Inference, node: Block) -> Term:
    """The type of the last statement."""
    with inference.scope():
        return _statements(inference, node.statements)


def _statements(inference: Inference, statements: tuple[Expression, ...]) -> Term:
    term: Term = UNIT
    for statement in statements:
        term = inference.infer(statement)
    return term


def infer_if(inference: Inference, node: If) -> Term:
    """Both branches have one type."""
    check(inference, node.condition, Primitive.BOOL)
    yes = inference.infer(node.yes)
    inference.infer(node.no)
    details = ("both branches of an `if` must have one type",)
    inference.demand(yes, node.no, details)
    return yes


def infer_match(inference: Inference, node: Match) -> Term:
    """All arms have one type."""
    subject = inference.infer(node.subject)
    # Names in patterns are cases or variables, depending on the type.
    inference.settle()
    first: Expression | None = None
    for arm in node.arms:
        with inference.scope():
            infer_pattern(inference, arm.pattern, subject)
            term = inference.infer(arm.body)
        if first is None:
            first = arm.body
            continue
        place = inference.place(arm.body)
        details = (f"expected {show(term)} based on pattern match branch at {place}",)
        inference.demand(term, first, details)
    assert first is not None
    return inference.types[first]


def infer_for(inference: Inference, node: For) -> Term:
    """A list of what is yielded."""
    element = _iterate(inference, node.iterable)
    with inference.scope():
        inference.slots[node] = (inference.define(node.name, element, node),)
        _statements(inference, node.statements)
        result = inference.infer(node.result)
    if resolve(result) is UNIT:
        # Calls without result may be repeated for their effect.
        return ListTerm(UNIT)
    return ListTerm(result)


def infer_reduce(inference: Inference, node: Reduce) -> Term:
    """The type of the initial value, which each turn yields again."""
    element = _iterate(inference, node.iterable)
    term = inference.infer(node.initial)
    with inference.scope():
        accumulator = inference.define(node.accumulator, term, node)
        inference.slots[node] = (accumulator, inference.define(node.name, element, node))
        _statements(inference, node.statements)
        inference.infer(node.result)
    details = ("each turn must yield the type of the initial value",)
    inference.demand(term, node.result, details)
    return term


def _iterate(inference: Inference, node: Expression) -> Term:
    """Return the type of the elements of a list or range."""
    iterable = inference.infer(node)
    element = Variable()

    def attempt() -> bool:
        match resolve(iterable):
            case ListTerm(inner) | RangeTerm(inner):
                unify(element, inner)
            case Poison():
                element.target = POISON
            case Variable():
                return False
            case other:
                cause = f"{show(other)} cannot be iterated"
                inference.report(node, Code.MISMATCH, cause, ("only lists and ranges can",))
                element.target = POISON
        return True

    def force() -> bool:
        return not unify(ListTerm(element), iterable)

    inference.later(attempt, force)
    return resolve(element)
