"""Rules for everything with arguments: instances, workers, resources, constructors, functions."""

from typing import Final

from rib.catalog import FunctionUse, interface_fits, package_of
from rib.diagnostics import Code
from rib.infer_values import check, settle_case
from rib.inference import Inference, nearest
from rib.signatures import signatures
from rib.syntax import Call, DirectCall, Expression, Instance, Method, TypeText
from rib.terms import (
    NUMBERS,
    ORDERED,
    POISON,
    UNIT,
    InstanceTerm,
    ListTerm,
    Nominal,
    OptionTerm,
    Poison,
    ResourceTerm,
    ResultTerm,
    Term,
    Variable,
    from_wit,
    resolve,
)
from rib.unify import unify
from rib.uses import (
    BuiltinUse,
    ConstructorUse,
    DropUse,
    HandleUse,
    MethodUse,
    Rewritten,
    WorkerUse,
)
from wit.names import base_name
from wit.types import Borrow, Own, Parameter, Primitive, ResourceName

__all__ = [
    "infer_call",
    "infer_direct_call",
    "infer_instance",
    "infer_method",
    "receiver_fits",
]

_PRIMITIVES: Final = {primitive.value: primitive for primitive in Primitive}


def infer_instance(inference: Inference, node: Instance) -> Term:
    """A worker, by name or without."""
    if node.arguments is None:
        helps = (
            "use `instance()` for an ephemeral worker",
            'use `instance("foo")` for a worker with a name',
        )
        return inference.fault(node, Code.RESERVED, "`instance` is a reserved keyword", (), helps)
    for argument in node.arguments[:1]:
        check(inference, argument, Primitive.STRING, ("the name of a worker is a string",))
    for argument in node.arguments[1:]:
        inference.infer(argument)
    if len(node.arguments) > 1:
        cause = "invalid function call `instance`"
        details = (f"expected at most 1 argument, found {len(node.arguments)}",)
        return inference.fault(node, Code.ARGUMENT_COUNT, cause, details)
    known = inference.catalog.interfaces
    if node.parameter is not None and not any(
        interface_fits(each, node.parameter) for each in known
    ):
        cause = f"no component exports `{node.parameter}`"
        near = nearest(node.parameter, _parameters(known))
        inference.report(node, Code.FUNCTION_NOT_FOUND, cause, (), near)
        return POISON
    return InstanceTerm(node.parameter)


def _parameters(interfaces: list[str]) -> list[str]:
    names = [each.partition("@")[0] for each in interfaces]
    return [*names, *map(package_of, names), *[each.rpartition("/")[2] for each in names]]


def infer_call(inference: Inference, node: Call) -> Term:
    """A constructor of a variant, else a function of the language."""
    candidates = inference.catalog.cases(node.name)
    if candidates and inference.local(node.name) is None:
        return _construct(inference, node)
    known = signatures().get(node.name)
    if known is not None and node.arguments:
        receiver, *rest = node.arguments
        inference.infer(receiver)
        return _builtin(inference, node, receiver, node.name, tuple(rest))
    for argument in node.arguments:
        inference.infer(argument)
    cause = f"invalid function call `{node.name}`"
    if inference.local(node.name) is not None:
        return inference.fault(node, Code.INVALID_CALL, cause, (f"`{node.name}` is a variable",))
    names = [*inference.catalog.case_names(), *signatures()]
    helps = nearest(node.name, names)
    if inference.catalog.functions(node.name):
        helps = (f'call it on a worker: `instance("name").{node.name}(…)`',)
    return inference.fault(node, Code.INVALID_CALL, cause, ("unknown function",), helps)


def _construct(inference: Inference, node: Call) -> Term:
    if len(node.arguments) != 1:
        for argument in node.arguments:
            inference.infer(argument)
        cause = f"the case `{node.name}` takes one value, found {len(node.arguments)}"
        return inference.fault(node, Code.ARGUMENT_COUNT, cause)
    (payload,) = node.arguments
    if len(inference.catalog.cases(node.name)) > 1:
        inference.infer(payload)
    return settle_case(inference, node, node.name, payload)


def infer_direct_call(inference: Inference, node: DirectCall) -> Term:
    """The older form `interface.{function}(…)`: means a call on a worker without a name."""
    span = node.span
    worker = Instance(node.interface, (), span=span)
    head, dot, tail = node.function.partition(".")
    arguments = node.arguments
    raw = node.function.startswith("[")
    meaning: Expression
    if raw and head.startswith("[constructor]"):
        name = head.removeprefix("[constructor]")
        meaning = Method(worker, name, None, arguments, span=span)
    elif raw and head.startswith("[drop]") and arguments:
        meaning = Method(arguments[0], "drop", None, arguments[1:], span=span)
    elif raw and head.startswith("[method]") and arguments:
        meaning = Method(arguments[0], tail, None, arguments[1:], span=span)
    elif raw or not dot:
        meaning = Method(worker, node.function, None, arguments, span=span)
    elif node.owner is not None:
        owner = Method(worker, head, None, node.owner, span=span)
        meaning = Method(owner, tail, None, arguments, span=span)
    elif tail == "new":
        meaning = Method(worker, head, None, arguments, span=span)
    elif inference.catalog.functions(f"[static]{node.function}"):
        meaning = Method(worker, f"[static]{node.function}", None, arguments, span=span)
    elif arguments:
        meaning = Method(arguments[0], tail, None, arguments[1:], span=span)
    else:
        cause = f"invalid function call `{node.function}`"
        details = (f"the first argument is the `{head}` it is called on",)
        return inference.fault(node, Code.INVALID_CALL, cause, details)
    inference.uses[node] = Rewritten(meaning)
    return inference.infer(meaning)


def infer_method(inference: Inference, node: Method) -> Term:
    """What a name means after a `.` depends on the type before it."""
    target = inference.infer(node.target)
    result = Variable(open_side=True)

    def attempt() -> bool:
        found = resolve(target)
        if isinstance(found, Variable) and not found.allowed:
            return False
        unify(result, _dispatch(inference, node, found))
        return True

    def force() -> bool:
        return False

    if attempt():
        return resolve(result)
    # The arguments may tell what the target is waiting for.
    for argument in node.arguments:
        inference.infer(argument)
    inference.later(attempt, force)
    return result


def _dispatch(inference: Inference, node: Method, target: Term) -> Term:
    match target:
        case InstanceTerm(parameter):
            return _worker_call(inference, node, parameter)
        case ResourceTerm(component, interface, name):
            return _resource_call(inference, node, component, ResourceName(name, interface))
        case Nominal(Own(resource) | Borrow(resource)):
            return _resource_call(inference, node, "", resource)
        case Poison():
            _infer_arguments(inference, node.arguments)
            return POISON
        case _:
            return _builtin(inference, node, node.target, node.name, node.arguments)


def _worker_call(inference: Inference, node: Method, narrowed: str | None) -> Term:
    candidates = inference.catalog.functions(node.name)
    parameters = [each for each in (narrowed, node.parameter) if each is not None]
    found = [
        use
        for use in candidates
        if all(interface_fits(use.function.interface, each) for each in parameters)
    ]
    if len(found) != 1:
        _infer_arguments(inference, node.arguments)
        if found:
            return _ambiguous_function(inference, node, found)
        return _unknown_function(inference, node, parameters)
    (use,) = found
    function = use.function
    _check_arguments(inference, node, use, function.type.parameters)
    if function.name.startswith("[constructor]"):
        inference.uses[node] = ConstructorUse(use)
        name = function.name.removeprefix("[constructor]")
        return ResourceTerm(use.component, function.interface, name)
    inference.uses[node] = WorkerUse(use)
    return from_wit(function.type.result)


def _unknown_function(inference: Inference, node: Method, parameters: list[str]) -> Term:
    names = list(inference.catalog.names())
    helps = nearest(node.name, names)
    if parameters:
        kinds = {True: "package", False: "interface"}
        where = " ".join(
            f"in {kinds[':' in each and '/' not in each]} '{each}'" for each in parameters
        )
        others = [use.function.interface or "" for use in inference.catalog.functions(node.name)]
        if others:
            helps = (f"it exists in {', '.join(others)}",)
        cause = f"function '{node.name}' not found {where}"
        return inference.fault(node, Code.FUNCTION_NOT_FOUND, cause, (), helps)
    cause = f"invalid function call `{node.name}`"
    return inference.fault(node, Code.INVALID_CALL, cause, ("unknown function",), helps)


def _ambiguous_function(inference: Inference, node: Method, found: list[FunctionUse]) -> Term:
    packages: dict[str, list[str]] = {}
    for use in found:
        full = use.function.interface or "the component itself"
        path, at, version = full.partition("@")
        package, _, name = path.rpartition("/")
        packages.setdefault(f"{package}{at}{version}", []).append(name)
    if len(packages) == 1:
        (names,) = packages.values()
        cause = f"invalid function call `{node.name}`"
        hint = "specify an interface name as type parameter from"
        listed = ", ".join(sorted(set(names)))
        details = (f"multiple interfaces contain function '{node.name}'. {hint}: {listed}",)
        helps: tuple[str, ...] = ()
        if len(set(names)) == 1:
            components = ", ".join(sorted({use.component for use in found}))
            details = (f"several components export it: {components}",)
            helps = ("have only one of them in scope",)
        return inference.fault(node, Code.AMBIGUOUS_FUNCTION, cause, details, helps)
    listed = ", ".join(
        f"{package} (interfaces: {', '.join(sorted(set(names)))})"
        for package, names in sorted(packages.items())
    )
    cause = (
        f"function '{node.name}' exists in multiple packages. specify a package name as type"
        f" parameter from: {listed}"
    )
    return inference.fault(node, Code.AMBIGUOUS_FUNCTION, cause)


def _resource_call(
    inference: Inference, node: Method, component: str, resource: ResourceName
) -> Term:
    use = inference.catalog.method(component, resource, node.name)
    if use is not None:
        _check_arguments(inference, node, use, use.function.type.parameters[1:])
        inference.uses[node] = MethodUse(use) if component else HandleUse(use)
        return from_wit(use.function.type.result)
    _infer_arguments(inference, node.arguments)
    if node.name == "drop" and not node.arguments:
        inference.uses[node] = DropUse()
        return UNIT
    cause = f"invalid method invocation `{_shown(node)}`"
    known = [*inference.catalog.method_names(resource), "drop"]
    details = (f"resource `{resource.name}` has no method `{node.name}`",)
    return inference.fault(node, Code.INVALID_METHOD, cause, details, nearest(node.name, known))


def _shown(node: Method) -> str:
    name = getattr(node.target, "name", None)
    return f"{name if isinstance(name, str) else '…'}.{node.name}"


def _infer_arguments(inference: Inference, arguments: tuple[Expression, ...]) -> None:
    for argument in arguments:
        if argument not in inference.types:
            inference.infer(argument)


def _check_arguments(
    inference: Inference, node: Method, use: FunctionUse, parameters: tuple[Parameter, ...]
) -> None:
    function = use.function
    prefix = "" if function.interface is None else f"{function.interface}."
    name = f"{prefix}{{{base_name(function)}}}"
    if len(node.arguments) != len(parameters):
        wanted = ", ".join(f"{each.name}" for each in parameters) or "none"
        cause = f"invalid function call `{node.name}`"
        counts = f"{len(parameters)} arguments ({wanted}), found {len(node.arguments)}"
        details = (f"`{name}` expects {counts}",)
        inference.report(node, Code.ARGUMENT_COUNT, cause, details)
    details = (f"invalid argument to the function `{name}`",)
    for argument, parameter in zip(node.arguments, parameters, strict=False):
        expected = from_wit(parameter.type)
        if argument in inference.types:
            inference.demand(expected, argument, details)
        else:
            check(inference, argument, expected, details)
    _infer_arguments(inference, node.arguments)


# Functions of the language


def _builtin(
    inference: Inference,
    node: Call | Method,
    receiver: Expression,
    name: str,
    arguments: tuple[Expression, ...],
) -> Term:
    target = inference.types[receiver]
    known = signatures().get(name, ())
    unknown = resolve(target)
    if isinstance(unknown, Variable) and not unknown.allowed:
        return _builtin_later(inference, node, receiver, name, arguments)
    found = next((each for each in known if receiver_fits(each.receiver, target)), None)
    if found is None:
        _infer_arguments(inference, arguments)
        return _no_builtin(inference, node, target, name)
    bindings: dict[str, Term] = {}
    inference.demand(_instantiate(found.receiver, bindings), receiver)
    if len(arguments) != len(found.parameters):
        cause = f"invalid function call `{name}`"
        wanted = f"expected {len(found.parameters)} arguments, found {len(arguments)}"
        inference.report(node, Code.ARGUMENT_COUNT, cause, (wanted,))
    for argument, parameter in zip(arguments, found.parameters, strict=False):
        expected = _instantiate(parameter, bindings)
        if argument in inference.types:
            inference.demand(expected, argument)
        else:
            check(inference, argument, expected)
    _infer_arguments(inference, arguments)
    inference.uses[node] = BuiltinUse(found.key)
    return _instantiate(found.result, bindings)


def _builtin_later(
    inference: Inference,
    node: Call | Method,
    receiver: Expression,
    name: str,
    arguments: tuple[Expression, ...],
) -> Term:
    result = Variable()
    _infer_arguments(inference, arguments)

    def attempt() -> bool:
        target = resolve(inference.types[receiver])
        if isinstance(target, Variable) and not target.allowed:
            return False
        unify(result, _builtin(inference, node, receiver, name, arguments))
        return True

    inference.later(attempt, lambda: False)
    return result


def _no_builtin(inference: Inference, node: Call | Method, target: Term, name: str) -> Term:
    found = resolve(target)
    if isinstance(found, Poison):
        return POISON
    names = [
        each.name
        for group in signatures().values()
        for each in group
        if receiver_fits(each.receiver, found)
    ]
    helps = nearest(name, names)
    if isinstance(node, Call):
        cause = f"invalid function call `{name}`"
        return inference.fault(node, Code.INVALID_CALL, cause, ("unknown function",), helps)
    shown = _shown(node)
    cause = (
        f"invalid method invocation `{shown}`. make sure `{shown.partition('.')[0]}` is defined"
        " and is a valid instance type (i.e, resource or worker)"
    )
    return inference.fault(node, Code.INVALID_METHOD, cause, (), helps)


def receiver_fits(receiver: TypeText, target: Term) -> bool:
    """Return whether a function of the language is one of this type."""
    found = resolve(target)
    match receiver.name:
        case "list":
            return isinstance(found, ListTerm)
        case "option":
            return isinstance(found, OptionTerm)
        case "result":
            return isinstance(found, ResultTerm)
        case "string":
            return found is Primitive.STRING
        case "N":
            if isinstance(found, Variable):
                return found.allowed is not None and found.allowed <= NUMBERS
            return found in NUMBERS
        case _:
            return not isinstance(found, InstanceTerm | ResourceTerm | Poison) and found != UNIT


def _instantiate(type_: TypeText, bindings: dict[str, Term]) -> Term:
    name = type_.name
    if name in {"T", "E", "N", "O"}:
        if name not in bindings:
            allowed = {"N": NUMBERS, "O": ORDERED}.get(name)
            # A result may have a side without payload.
            bindings[name] = Variable(allowed, open_side=name in {"T", "E"})
        return bindings[name]
    inner = [_instantiate(each, bindings) for each in type_.arguments]
    match name:
        case "list":
            return ListTerm(inner[0])
        case "option":
            return OptionTerm(inner[0])
        case "result":
            return ResultTerm(inner[0], inner[1])
        case _:
            return _PRIMITIVES[name]
