"""Rules for literals, compound values, names, fields, indexes and operators."""

from typing import Final, TypeGuard

from rib.diagnostics import Code
from rib.inference import Inference, nearest
from rib.syntax import (
    Binary,
    Boolean,
    Character,
    Err,
    Expression,
    FieldAccess,
    Flags,
    Index,
    ListLiteral,
    Name,
    Nothing,
    Number,
    Ok,
    Range,
    Record,
    Some,
    String,
    TupleLiteral,
    Typed,
    TypeText,
    Unary,
)
from rib.terms import (
    FLOATS,
    INTEGERS,
    NUMBERS,
    ORDERED,
    POISON,
    SIGNED,
    UNIT,
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
    Variable,
    from_wit,
    range_fields,
    resolve,
    show,
)
from rib.unify import unify
from rib.uses import CaseUse, InputUse, LocalUse
from wit.types import EnumType, Primitive, VariantType

__all__ = [
    "annotation",
    "check",
    "global_path",
    "infer_binary",
    "infer_boolean",
    "infer_character",
    "infer_field",
    "infer_flags",
    "infer_index",
    "infer_list",
    "infer_name",
    "infer_nothing",
    "infer_number",
    "infer_range",
    "infer_record",
    "infer_result",
    "infer_some",
    "infer_string",
    "infer_tuple",
    "infer_typed",
    "infer_unary",
    "settle_case",
    "spaced",
]

_PRIMITIVES: Final = {primitive.value: primitive for primitive in Primitive}


# Literals


def infer_number(_: Inference, node: Number) -> Term:
    """A suffix decides; otherwise the place does, within what the digits allow."""
    if node.suffix is not None:
        return _PRIMITIVES[node.suffix]
    is_integer = node.digits.isdigit()
    return Variable(NUMBERS if is_integer else FLOATS)


def infer_boolean(_: Inference, __: Boolean) -> Term:
    """Always bool."""
    return Primitive.BOOL


def infer_character(_: Inference, __: Character) -> Term:
    """Always char."""
    return Primitive.CHAR


def infer_string(inference: Inference, node: String) -> Term:
    """Parts may have any type that has a text."""
    for part in node.parts:
        if not isinstance(part, str):
            inference.infer(part)
    return Primitive.STRING


# Compound values


def infer_list(inference: Inference, node: ListLiteral) -> Term:
    """All elements have the type of the first."""
    element: Term = Variable()
    for item in node.items:
        inference.infer(item)
        inference.demand(element, item)
    return ListTerm(element)


def infer_tuple(inference: Inference, node: TupleLiteral) -> Term:
    """Each element has its own type."""
    return TupleTerm(tuple(inference.infer(item) for item in node.items))


def infer_record(inference: Inference, node: Record) -> Term:
    """The fields that are written, no more."""
    return RecordTerm({entry.name: inference.infer(entry.value) for entry in node.entries})


def infer_flags(_: Inference, node: Flags) -> Term:
    """Some flags type that has these labels."""
    return Variable(labels=node.labels)


def infer_some(inference: Inference, node: Some) -> Term:
    """An option of the value."""
    return OptionTerm(inference.infer(node.value))


def infer_nothing(_: Inference, __: Nothing) -> Term:
    """An option of something."""
    return OptionTerm(Variable())


def infer_result(inference: Inference, node: Ok | Err) -> Term:
    """A result whose other side is open."""
    side = UNIT if node.value is None else inference.infer(node.value)
    other = Variable(open_side=True)
    return ResultTerm(side, other) if isinstance(node, Ok) else ResultTerm(other, side)


def infer_range(inference: Inference, node: Range) -> Term:
    """Both ends are integers of one type."""
    element = Variable(INTEGERS)
    inference.infer(node.first)
    inference.demand(element, node.first)
    if node.last is not None:
        inference.infer(node.last)
        inference.demand(element, node.last)
    return RangeTerm(element, node.last is not None)


def infer_typed(inference: Inference, node: Typed) -> Term:
    """The annotation decides."""
    term = annotation(inference, node.annotation)
    check(inference, node.value, term)
    return term


def annotation(inference: Inference, type_: TypeText, *, is_side: bool = False) -> Term:
    """Return the type that an annotation says; `_` leaves a side of a result open."""
    if type_.name in _PRIMITIVES and not type_.arguments:
        return _PRIMITIVES[type_.name]
    match type_.name, type_.arguments:
        case "_", ():
            return Variable(open_side=is_side)
        case "list", (element,):
            return ListTerm(annotation(inference, element))
        case "option", (some,):
            return OptionTerm(annotation(inference, some))
        case "tuple", elements:
            return TupleTerm(tuple(annotation(inference, each) for each in elements))
        case "result", sides:
            ok, err = (annotation(inference, side, is_side=True) for side in sides), UNIT
            terms = [*ok, *[err] * (2 - len(sides))]
            return ResultTerm(terms[0], terms[1])
        case name, _:
            return _declared_type(inference, type_, name)


def _declared_type(inference: Inference, type_: TypeText, name: str) -> Term:
    found = inference.catalog.types(name)
    if len(found) == 1:
        return from_wit(found[0])
    cause = f"several types are called `{name}`" if found else f"unknown type `{name}`"
    return inference.fault(type_, Code.UNKNOWN_TYPE, cause, (), nearest(name, [*_PRIMITIVES]))


# Names


def infer_name(inference: Inference, node: Name) -> Term:
    """A variable, else an offered global, else a case, else any global."""
    local = inference.local(node.name)
    if local is not None:
        inference.uses[node] = LocalUse(local.slot)
        return local.term
    roots = inference.globals.roots
    if (roots is None or node.name not in roots) and inference.catalog.cases(node.name):
        return settle_case(inference, node, node.name, None)
    if roots is not None and node.name not in roots:
        allowed = ", ".join(f"`{root}`" for root in sorted(roots)) or "none"
        known = [*inference.local_names(), *inference.catalog.case_names(), *roots]
        details = (f"the inputs of this program are: {allowed}",)
        helps = nearest(node.name, known) or spaced(inference, node.name)
        cause = f"unknown name `{node.name}`"
        return inference.fault(node, Code.UNKNOWN_NAME, cause, details, helps)
    if inference.globals.is_group(node.name):
        return _group(inference, node, node.name)
    return _input(inference, node, node.name, None)


def spaced(inference: Inference, name: str) -> tuple[str, ...]:
    """Return a help line for a subtraction that was written as one name."""
    left, dash, right = name.partition("-")
    if dash and inference.local(left) is not None:
        return (f"`{name}` is one name; to subtract write `{left} - {right}`",)
    return ()


def _group(inference: Inference, node: Expression, path: str) -> Term:
    members = ", ".join(f"`{path}.{name}`" for name in inference.globals.members(path))
    helps = (f"select an input: {members or f'`{path}.<name>`'}",)
    cause = "cannot determine the type"
    return inference.fault(node, Code.UNDETERMINED, cause, (f"`{path}` is no value",), helps)


def _input(inference: Inference, node: Expression, path: str, default: Term | None) -> Term:
    inference.uses[node] = InputUse(path)
    if path not in inference.inputs:
        fixed = inference.globals.types.get(path)
        term = Variable(default=default) if fixed is None else from_wit(fixed)
        inference.inputs[path] = term
    return inference.inputs[path]


def settle_case(
    inference: Inference, node: Expression, name: str, payload: Expression | None
) -> Term:
    """Return the type of a case that is used as a value, when the place does not tell it."""
    inference.uses[node] = CaseUse(name)
    candidates = inference.catalog.cases(name)
    if len(candidates) == 1:
        apply_case(inference, node, name, payload, candidates[0])
        return Nominal(candidates[0])
    term = Variable()

    def attempt() -> bool:
        match resolve(term):
            case Nominal(VariantType() | EnumType() as type_):
                apply_case(inference, node, name, payload, type_)
                return True
            case Variable():
                return False
            case _:
                return True

    def force() -> bool:
        names = [f"`{show(Nominal(each))}`" for each in candidates]
        cause = f"ambiguous types: {', '.join(names)}"
        inference.report(node, Code.AMBIGUOUS, cause, (f"all of them have a case `{name}`",))
        term.target = POISON
        return True

    inference.later(attempt, force)
    return term


def apply_case(
    inference: Inference,
    node: Expression,
    name: str,
    payload: Expression | None,
    type_: VariantType | EnumType,
) -> None:
    """Check that a case fits its type and its payload the case."""
    cases: dict[str, Term | None] = {}
    if isinstance(type_, EnumType):
        cases = dict.fromkeys(type_.cases)
    else:
        cases = {c.name: None if c.type is None else from_wit(c.type) for c in type_.cases}
    if payload is not None and payload not in inference.types and not cases.get(name):
        # Nothing is expected of it, but what is wrong inside is worth telling, too.
        inference.infer(payload)
    if name not in cases:
        cause = f"`{show(Nominal(type_))}` has no case `{name}`"
        inference.report(node, Code.MISMATCH, cause, (), nearest(name, list(cases)))
        return
    wanted = cases[name]
    if wanted is not None and payload is not None:
        if payload not in inference.types:
            check(inference, payload, wanted)
        else:
            inference.demand(wanted, payload)
    elif wanted is not None:
        cause = f"the case `{name}` needs a value of type {show(wanted)}"
        inference.report(node, Code.ARGUMENT_COUNT, cause, (), (f"write `{name}(…)`",))
    elif payload is not None:
        cause = f"the case `{name}` takes no value"
        inference.report(node, Code.ARGUMENT_COUNT, cause, (), (f"write `{name}`",))


# Fields and indexes


def infer_field(inference: Inference, node: FieldAccess) -> Term:
    """A global input, or a field of a record."""
    path = global_path(inference, node)
    if path is not None:
        parent, _, _ = path.rpartition(".")
        rules = inference.globals
        if parent in rules.texts:
            return _input(inference, node, path, Primitive.STRING)
        if path in rules.values:
            return _input(inference, node, path, None)
        if rules.is_group(path):
            return _group(inference, node, path)
        members = rules.members(parent)
        cause = f"`{parent}` has no member `{node.name}`"
        details = (f"its members are {', '.join(f'`{each}`' for each in members)}",)
        return inference.fault(node, Code.UNKNOWN_NAME, cause, details, nearest(node.name, members))
    target = inference.infer(node.target)
    result = Variable()
    return _select(inference, node, target, result)


def global_path(inference: Inference, node: FieldAccess) -> str | None:
    """Return the dotted path if the target is a group of inputs."""
    names = [node.name]
    target = node.target
    while isinstance(target, FieldAccess):
        names.append(target.name)
        target = target.target
    if not isinstance(target, Name) or inference.local(target.name) is not None:
        return None
    names.append(target.name)
    parts = names[::-1]
    path = ".".join(parts[:-1])
    path = inference.globals.aliases.get(path, path)
    return f"{path}.{parts[-1]}" if inference.globals.is_group(path) else None


def _select(inference: Inference, node: FieldAccess, target: Term, result: Variable) -> Term:
    def attempt() -> bool:
        match resolve(target):
            case RecordTerm(fields):
                _field(inference, node, fields, target, result)
            case RangeTerm() as range_:
                _field(inference, node, range_fields(range_), target, result)
            case Variable() as variable:
                if variable.fields is None or node.name not in variable.fields:
                    return False
                unify(result, variable.fields[node.name])
            case Poison():
                result.target = POISON
            case other:
                cause = f"field `{node.name}` not found: {show(other)} is not a record"
                inference.report(node, Code.UNKNOWN_FIELD, cause, (), _method_help(node, other))
                result.target = POISON
        return True

    def force() -> bool:
        variable = resolve(target)
        if not isinstance(variable, Variable) or variable.allowed or variable.labels:
            return False
        # Nobody says what the input is: it is a record with at least this field.
        variable.fields = {**(variable.fields or {}), node.name: result}
        return True

    inference.later(attempt, force)
    return result


def _method_help(node: FieldAccess, target: Term) -> tuple[str, ...]:
    if isinstance(target, InstanceTerm | ResourceTerm):
        return (f"functions are called with parentheses: `.{node.name}(…)`",)
    return ()


def _field(
    inference: Inference,
    node: FieldAccess,
    fields: dict[str, Term],
    target: Term,
    result: Variable,
) -> None:
    if node.name in fields:
        unify(fields[node.name], result)
        return
    cause = f"field `{node.name}` not found in {show(target)}"
    names = list(fields)
    details = (f"its fields are {', '.join(f'`{name}`' for name in names)}",)
    inference.report(node, Code.UNKNOWN_FIELD, cause, details, nearest(node.name, names))
    result.target = POISON


def infer_index(inference: Inference, node: Index) -> Term:
    """An element of a list or tuple, or a slice of a list."""
    target = inference.infer(node.target)
    index = inference.infer(node.index)
    result = Variable()

    def attempt() -> bool:
        match resolve(target), resolve(index):
            case Poison(), _:
                result.target = POISON
            case TupleTerm(elements), _ if _is_position(position := node.index):
                _element(inference, node, elements, int(position.digits), result)
            case ListTerm(element), RangeTerm():
                unify(result, ListTerm(element))
            case ListTerm(), Variable() as unknown if not unknown.allowed:
                return False
            case ListTerm(element), _:
                inference.demand(Variable(INTEGERS), node.index)
                unify(result, element)
            case Variable(), _:
                return False
            case other, _:
                cause = f"{show(other)} cannot be indexed"
                inference.report(node, Code.MISMATCH, cause, ("only lists and tuples can",))
                result.target = POISON
        return True

    def force() -> bool:
        found = resolve(index)
        if isinstance(found, Variable) and not found.allowed and unify(Variable(INTEGERS), index):
            return False
        if isinstance(resolve(target), Variable) and unify(ListTerm(Variable()), target):
            return False
        return attempt()

    inference.later(attempt, force)
    return result


def _is_position(node: Expression) -> TypeGuard[Number]:
    return isinstance(node, Number) and node.digits.isdigit()


def _element(
    inference: Inference, node: Index, elements: tuple[Term, ...], index: int, result: Variable
) -> None:
    if index < len(elements):
        unify(elements[index], result)
        return
    cause = f"the tuple has {len(elements)} elements, there is none at {index}"
    inference.report(node, Code.MISMATCH, cause, (), ("elements are counted from 0",))
    result.target = POISON


# Operators


def infer_unary(inference: Inference, node: Unary) -> Term:
    """`!` is for bool, `-` for signed numbers."""
    term = inference.infer(node.operand)
    wanted: Term = Primitive.BOOL if node.operator == "!" else Variable(SIGNED)
    inference.demand(wanted, node.operand)
    return Primitive.BOOL if node.operator == "!" else term


def infer_binary(inference: Inference, node: Binary) -> Term:
    """Both sides have one type, except that nothing is converted to get there."""
    left = inference.infer(node.left)
    inference.infer(node.right)
    match node.operator:
        case "&&" | "||":
            inference.demand(Primitive.BOOL, node.left)
            inference.demand(Primitive.BOOL, node.right)
            return Primitive.BOOL
        case "==" | "!=":
            inference.demand(left, node.right)
            return Primitive.BOOL
        case "<" | "<=" | ">" | ">=":
            inference.demand(Variable(ORDERED), node.left)
            inference.demand(left, node.right)
            return Primitive.BOOL
        case _:
            if not unify(Variable(NUMBERS), left):
                inference.demand(left, node.right)
                return left
            inference.demand(Variable(NUMBERS), node.left)
            return POISON


# Pushing an expected type inwards, so that errors name the innermost place


def check(
    inference: Inference,
    node: Expression,
    expected: Term,
    details: tuple[str, ...] = (),
    path: str = "",
) -> None:
    """Infer an expression for a place whose type is known.

    Args:
        inference: The state.
        node: The expression.
        expected: The type of the place.
        details: Lines that errors carry.
        path: Where the place is inside an argument, in field names.
    """
    wanted = resolve(expected)
    match node, wanted:
        case Record(entries), RecordTerm(fields) if fields.keys() == {e.name for e in entries}:
            for entry in entries:
                inner = f"{path}.{entry.name}" if path else entry.name
                check(inference, entry.value, fields[entry.name], details, inner)
            inference.types[node] = expected
        case ListLiteral(items), ListTerm(element, length) if length in {None, len(items)}:
            for item in items:
                check(inference, item, element, details, path)
            inference.types[node] = expected
        case TupleLiteral(items), TupleTerm(elements) if len(items) == len(elements):
            for index, (item, element) in enumerate(zip(items, elements, strict=True)):
                inner = f"{path}.{index}" if path else str(index)
                check(inference, item, element, details, inner)
            inference.types[node] = expected
        case Some(value), OptionTerm(some):
            check(inference, value, some, details, path)
            inference.types[node] = expected
        case ((Ok(None) | Err(None)), _):
            inference.infer(node)
            inference.demand(expected, node, details, path)
        case (Ok(value), ResultTerm(side, _)) | (Err(value), ResultTerm(_, side)):
            assert value is not None
            check(inference, value, side, details, path)
            inference.types[node] = expected
        case Name(name), Nominal(VariantType() | EnumType() as type_) if _is_case(
            inference, name, type_
        ):
            inference.uses[node] = CaseUse(name)
            apply_case(inference, node, name, None, type_)
            inference.types[node] = expected
        case _:
            inference.infer(node)
            inference.demand(expected, node, details, path)


def _is_case(inference: Inference, name: str, type_: VariantType | EnumType) -> bool:
    names = type_.cases if isinstance(type_, EnumType) else [case.name for case in type_.cases]
    return inference.local(name) is None and name in names
