"""From a tree to a tree whose every node has a type: runs the rules, takes defaults, checks.

Knows the order of things; the rules themselves live in the `infer_*` modules.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, cast

from rib.catalog import Catalog
from rib.coverage import Coverage, is_irrefutable
from rib.diagnostics import Code
from rib.globals import Globals
from rib.infer_calls import infer_call, infer_direct_call, infer_instance, infer_method
from rib.infer_control import (
    infer_assert,
    infer_block,
    infer_for,
    infer_if,
    infer_let,
    infer_match,
    infer_reduce,
)
from rib.infer_values import (
    infer_binary,
    infer_boolean,
    infer_character,
    infer_field,
    infer_flags,
    infer_index,
    infer_list,
    infer_name,
    infer_nothing,
    infer_number,
    infer_range,
    infer_record,
    infer_result,
    infer_some,
    infer_string,
    infer_tuple,
    infer_typed,
    infer_unary,
)
from rib.inference import Inference, Rule, nearest
from rib.printer import pattern_text
from rib.syntax import (
    Assert,
    Binary,
    Block,
    Boolean,
    Call,
    Character,
    DirectCall,
    Entry,
    Err,
    Expression,
    FieldAccess,
    Flags,
    For,
    If,
    Index,
    Instance,
    Let,
    ListLiteral,
    Match,
    Method,
    Name,
    Node,
    Nothing,
    Number,
    Ok,
    Pattern,
    Range,
    Record,
    Reduce,
    Some,
    String,
    TupleLiteral,
    Typed,
    Unary,
    children,
    walk,
)
from rib.terms import (
    DEFAULTS,
    FLOATS,
    POISON,
    UNIT,
    InstanceTerm,
    Nominal,
    Poison,
    RecordTerm,
    ResourceTerm,
    Term,
    Variable,
    is_too_large,
    parts,
    resolve,
    show,
    variables,
)
from rib.unify import unify
from rib.uses import BuiltinUse, InputUse
from wit.json_readers import INTEGER_RANGES
from wit.type_walk import walk as walk_type
from wit.types import Borrow, ErrorContextType, FlagsType, FutureType, Own, Primitive, StreamType

__all__ = ["infer_types"]

F32_MAX: Final = 3.4028234663852886e38
F64_MAX: Final = 1.7976931348623157e308

RULES: Final = cast(
    "Mapping[type, Rule]",
    {
        Number: infer_number,
        Boolean: infer_boolean,
        Character: infer_character,
        String: infer_string,
        Name: infer_name,
        Instance: infer_instance,
        ListLiteral: infer_list,
        TupleLiteral: infer_tuple,
        Record: infer_record,
        Flags: infer_flags,
        Some: infer_some,
        Nothing: infer_nothing,
        Ok: infer_result,
        Err: infer_result,
        Call: infer_call,
        DirectCall: infer_direct_call,
        FieldAccess: infer_field,
        Index: infer_index,
        Method: infer_method,
        Range: infer_range,
        Unary: infer_unary,
        Binary: infer_binary,
        Typed: infer_typed,
        Let: infer_let,
        Assert: infer_assert,
        If: infer_if,
        Match: infer_match,
        For: infer_for,
        Reduce: infer_reduce,
        Block: infer_block,
    },
)


def infer_types(
    text: str,
    program: Block,
    catalog: Catalog,
    globals_: Globals,
    *,
    environment: Mapping[str, Term] = MappingProxyType({}),
    rules: Mapping[type, Rule] = RULES,
) -> Inference:
    """Return the inference of a whole program; its `diagnostics` say what is wrong.

    Args:
        text: The program as text.
        program: The same as a tree.
        catalog: What the components in scope offer.
        globals_: What the host offers.
        environment: Variables that exist before the program; they have the first slots, in order.
        rules: How each form is inferred; who watches an inference replaces some.
    """
    inference = Inference(text, program, catalog, globals_, rules)
    for name, term in environment.items():
        inference.define(name, term, program)
    inference.infer(program)
    _solve(inference)
    nodes = _inner_first(program)
    large = next((n for n in nodes if n in inference.types and _is_too_large(inference, n)), None)
    if large is not None:
        # Every further check would walk all of it.
        if not inference.diagnostics:
            inference.report_too_large(large)
        return inference
    _report_unresolved(inference, nodes)
    # The sign of `-128` stands outside the number, whose range depends on it.
    negated = {
        node.operand
        for node in nodes
        if isinstance(node, Unary) and node.operator == "-" and isinstance(node.operand, Number)
    }
    for node in nodes:
        _check_node(inference, node, is_negative=node in negated)
    _check_result(inference, program)
    return inference


def _is_too_large(inference: Inference, node: Node) -> bool:
    return is_too_large(inference.types[node])


def _inner_first(program: Block) -> list[Node]:
    """Return all nodes in the order of the text, inner ones before those around them."""
    found = [(node.span.end, -node.span.start, -depth, node) for node, _, depth in walk(program)]
    return [node for *_, node in sorted(found, key=lambda each: each[:3])]


# Defaults


def _solve(inference: Inference) -> None:
    """Settle everything; each default is taken only when nothing else moves."""
    while True:
        inference.settle()
        if not (_default_inputs(inference) or inference.force() or _default_numbers(inference)):
            break
    _close(inference)
    inference.settle()
    _close(inference)


def _open_variables(inference: Inference) -> Iterator[Variable]:
    for term in inference.types.values():
        yield from variables(term)


def _default_inputs(inference: Inference) -> bool:
    moved = False
    for term in inference.inputs.values():
        found = resolve(term)
        if isinstance(found, Variable) and found.default is not None:
            default, found.default = found.default, None
            is_taken = not unify(default, found)
            moved = moved or is_taken
    return moved


def _default_numbers(inference: Inference) -> bool:
    moved = False
    for variable in _open_variables(inference):
        if variable.allowed is not None and variable.target is None:
            choice = next((each for each in DEFAULTS if each in variable.allowed), None)
            # Text can be compared, too, so a comparison alone does not make numbers.
            if choice is not None and Primitive.STRING not in variable.allowed:
                variable.target = choice
                inference.defaulted.add(variable)
                moved = True
    return moved


def _close(inference: Inference) -> None:
    """Decide what stayed open on purpose: flags, records of inputs, sides of results."""
    for variable in list(_open_variables(inference)):
        if variable.target is not None:
            continue
        if variable.labels is not None:
            variable.target = Nominal(FlagsType(variable.labels))
        elif variable.fields is not None:
            variable.target = RecordTerm(variable.fields)
        elif variable.open_side and variable.allowed is None:
            variable.target = UNIT


# Checks


def _report_unresolved(inference: Inference, nodes: list[Node]) -> None:
    for node in nodes:
        if isinstance(node, Method) and isinstance(resolve(inference.types[node.target]), Variable):
            # What the method is called on is the place to look at, whatever it is called with.
            inference.report(node, Code.INVALID_METHOD, _unresolved_method(node))
            for variable in [*variables(inference.types[node.target]), *_unknown(inference, node)]:
                variable.target = POISON
    for node in nodes:
        unknown = _unknown(inference, node)
        if not unknown:
            continue
        helps: tuple[str, ...] = ()
        cause = "cannot determine the type"
        if isinstance(inference.uses.get(node), InputUse) and isinstance(node, Name):
            known = [*inference.catalog.case_names(), *(inference.globals.roots or ())]
            near = nearest(node.name, known)
            helps = (f"make sure `{node.name}` is a valid identifier", *near)
        else:
            helps = ("say it: `let name: type = …`",)
        inference.report(node, Code.UNDETERMINED, cause, (), helps)
        for variable in unknown:
            variable.target = POISON


def _unknown(inference: Inference, node: Node) -> list[Variable]:
    term = inference.types.get(node)
    return [] if term is None else variables(term)


def _unresolved_method(node: Method) -> str:
    target = node.target
    name = target.name if isinstance(target, Name | FieldAccess) else "…"
    return (
        f"invalid method invocation `{name}.{node.name}`. make sure `{name}` is defined and is a"
        " valid instance type (i.e, resource or worker)"
    )


def _check_node(inference: Inference, node: Node, *, is_negative: bool) -> None:
    match node:
        case Number():
            _check_number(inference, node, is_negative=is_negative)
        case String(parts_):
            for part in parts_:
                if not isinstance(part, str):
                    _check_has_text(inference, part)
        case Binary("==" | "!=", left, _):
            if _has_handles(inference.types[left]) or resolve(inference.types[left]) is UNIT:
                shown = show(inference.types[left])
                inference.report(node, Code.MISMATCH, f"{shown} cannot be compared")
        case Some() | Ok() | Err() | ListLiteral() | TupleLiteral() | Entry():
            for child in children(node):
                term = inference.types.get(child)
                if term is not None and resolve(term) is UNIT:
                    _report_no_value(inference, child)
        case Match():
            _check_arms(inference, node)
        case Call() | Method():
            _check_builtin(inference, node)
        case _:
            pass


def _check_builtin(inference: Inference, node: Call | Method) -> None:
    """Refuse texts of what has none, and comparisons of what cannot be compared."""
    use = inference.uses.get(node)
    if not isinstance(use, BuiltinUse):
        return
    receiver = node.target if isinstance(node, Method) else node.arguments[0]
    reason = {
        "T.to-string": "has no text",
        "T.to-json": "has no text",
        "list.distinct": "cannot be compared",
        "list.contains": "cannot be compared",
    }.get(use.name)
    if reason is not None and _has_handles(inference.types[receiver]):
        cause = f"{show(inference.types[receiver])} {reason}"
        inference.report(node, Code.MISMATCH, cause)


def _check_number(inference: Inference, node: Number, *, is_negative: bool) -> None:
    type_ = resolve(inference.types[node])
    if not isinstance(type_, Primitive):
        return
    if type_ in FLOATS:
        largest = F32_MAX if type_ is Primitive.F32 else F64_MAX
        if float(node.digits) > largest:
            inference.report(node, Code.NUMBER_RANGE, f"{node.digits} does not fit {type_.value}")
        return
    if not node.digits.isdigit():
        inference.report(node, Code.NUMBER_RANGE, f"{node.digits} does not fit {type_.value}")
        return
    value = -int(node.digits) if is_negative else int(node.digits)
    low, high = INTEGER_RANGES[type_]
    if not low <= value <= high:
        cause = f"{value} does not fit {type_.value}"
        details = (f"{type_.value} goes from {low} to {high}",)
        inference.report(node, Code.NUMBER_RANGE, cause, details)


def _check_has_text(inference: Inference, part: Expression) -> None:
    term = inference.types[part]
    if resolve(term) is UNIT:
        _report_no_value(inference, part)
    elif _has_handles(term):
        cause = f"{show(term)} has no text"
        inference.report(part, Code.MISMATCH, cause, (), ("interpolate what its methods return",))


def _report_no_value(inference: Inference, node: Node) -> None:
    inference.report(node, Code.MISMATCH, "type mismatch. expected a value, found no value")


def _has_handles(term: Term) -> bool:
    """Return whether a value of a type holds what cannot leave the program or be compared."""
    for part in _all_parts(term):
        match part:
            case InstanceTerm() | ResourceTerm():
                return True
            case Nominal(type_):
                if any(_is_handle(each) for each in walk_type(type_)):
                    return True
            case _:
                pass
    return False


def _is_handle(type_: object) -> bool:
    return isinstance(type_, Own | Borrow | FutureType | StreamType | ErrorContextType)


def _all_parts(term: Term) -> Iterator[Term]:
    waiting = [term]
    while waiting:
        found = resolve(waiting.pop())
        yield found
        waiting.extend(parts(found))


def _check_arms(inference: Inference, node: Match) -> None:
    subject = inference.types[node.subject]
    if any(isinstance(part, Poison) for part in _all_parts(subject)) or any(
        arm.pattern.span.start <= found.start < arm.pattern.span.end
        for arm in node.arms
        for found in inference.diagnostics
    ):
        # Patterns that do not fit would look like missing ones.
        return
    coverage = Coverage(inference.uses)
    catch_all: Pattern | None = None
    earlier: list[Pattern] = []
    for arm in node.arms:
        if catch_all is not None:
            cause = (
                f"dead code detected, pattern `{pattern_text(arm.pattern)}` is unreachable due to"
                f" the existence of the pattern `{pattern_text(catch_all)}` prior to it"
            )
            inference.report(arm.pattern, Code.DEAD_CODE, cause)
        elif not coverage.is_useful(earlier, arm.pattern, subject):
            cause = f"pattern `{pattern_text(arm.pattern)}` takes nothing that earlier arms leave"
            inference.warn(arm.pattern, Code.REDUNDANT_ARM, cause, ("remove this arm",))
        if catch_all is None and is_irrefutable(arm.pattern, inference.uses):
            catch_all = arm.pattern
        earlier.append(arm.pattern)
    missing = coverage.uncovered(earlier, subject)
    if missing:
        cause = (
            "non-exhaustive pattern match: the following patterns are not covered: "
            f"{', '.join(f'`{each}`' for each in missing)}"
        )
        helps = ("to ensure a complete match, add missing patterns or use wildcard (`_`)",)
        inference.report(node, Code.NON_EXHAUSTIVE, cause, (), helps)


def _check_result(inference: Inference, program: Block) -> None:
    last = program.statements[-1]
    for part in _all_parts(inference.types[program]):
        match part:
            case InstanceTerm():
                cause = "program is invalid as it returns a worker instance"
                helps = ("call a function of it",)
                inference.report(last, Code.RETURNS_INSTANCE, cause, (), helps)
                return
            case ResourceTerm():
                cause = "program is invalid as it returns a resource constructor"
                helps = ("call a method of it",)
                inference.report(last, Code.RETURNS_RESOURCE, cause, (), helps)
                return
            case _:
                pass
