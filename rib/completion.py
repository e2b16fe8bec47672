"""What may be typed at a place of a text that is still being written, and what stands there.

The text up to the place is completed to a program by what the parser misses, a name that nobody
uses stands for what is being typed, and inference says what it would have to be.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, TypeAlias, final

from msgspec import Struct

from rib.catalog import Catalog, FunctionUse, case_names, interface_fits
from rib.diagnostics import Code
from rib.errors import CompileError
from rib.globals import ANY_GLOBALS, Globals
from rib.infer_calls import receiver_fits
from rib.infer_values import global_path
from rib.inference import Inference
from rib.lexer import KEYWORDS, NAME, PRIMITIVES
from rib.parser import parse as parse_program
from rib.scan import open_at_end
from rib.signatures import Signature, signatures
from rib.stubs import arguments_stub, stub
from rib.syntax import Binding, Block, Expression, FieldAccess, Flags, Name, Node, TypeText, walk
from rib.terms import (
    InstanceTerm,
    Nominal,
    OptionTerm,
    Poison,
    RangeTerm,
    RecordTerm,
    ResourceTerm,
    ResultTerm,
    Term,
    Variable,
    is_storable,
    range_fields,
    resolve,
    show,
    to_wit,
)
from rib.typecheck import RULES, infer_types
from wit.signatures import signature
from wit.types import Borrow, EnumType, Own, ResourceName, VariantType

__all__ = ["Completion", "CompletionKind", "Parse", "complete"]

Parse: TypeAlias = Callable[[str], Block]
CompletionKind: TypeAlias = Literal[
    "function", "method", "resource", "field", "variable", "case", "keyword", "type", "value"
]

_HOLE: Final = "q0-hole-0q"
_FILLER: Final = "q0-filler-0q"
_WORD: Final = re.compile(rf"(?:{NAME}-*)?\Z")
_EXPECTED: Final = re.compile(r"expected `([^`]+)`")
_REPAIRS_MAX: Final = 64
# Longer stubs are in the way.
_STUB_CHARACTERS_MAX: Final = 120
_VALUE_KEYWORDS: Final = sorted(KEYWORDS - {"then", "else", "yield"})


class Completion(Struct, frozen=True):
    """One proposal: `insert` replaces the text from `start` to the place. `detail` is its type."""

    label: str
    insert: str
    start: int
    kind: CompletionKind
    detail: str = ""


def complete(
    text: str,
    offset: int,
    catalog: Catalog,
    globals_: Globals = ANY_GLOBALS,
    *,
    environment: Mapping[str, Term] | None = None,
    parse: Parse | None = None,
) -> list[Completion]:
    """Return what may stand at an offset, the best first; never fails for a wrong text.

    Args:
        text: The text; what follows the offset does not matter.
        offset: Where the cursor is, in characters.
        catalog: What the components in scope offer.
        globals_: What the host offers.
        environment: Variables that exist before the text.
        parse: What reads the text, if it is no plain program.
    """
    before = text[:offset]
    if open_at_end(before)[-1:] in (['"'], ["/*"]):
        return []
    word = _WORD.search(before)
    assert word is not None
    start = word.start()
    tree = _repaired(before[:start] + _HOLE, parse or _parse)
    if tree is None:
        return []
    watcher = _Watcher()
    try:
        inference = infer_types(
            before,
            tree,
            catalog,
            globals_,
            environment=environment or {},
            rules={**RULES, Name: watcher.name, FieldAccess: watcher.field},
        )
    except RecursionError:
        return []
    found = _proposals(inference, tree, watcher, start)
    prefix = word[0].lower()
    distinct = {(each.label, each.insert): each for each in found}
    return [each for each in distinct.values() if each.label.lower().startswith(prefix)]


@final
class _Watcher:
    """Rules that remember what was known where the hole stands."""

    def __init__(self) -> None:
        self.locals: dict[str, Term] = {}
        self.expected: Term | None = None
        self.target: Term | None = None
        self.members: list[str] | None = None

    def name(self, inference: Inference, node: Expression) -> Term:
        """Infer a name."""
        assert isinstance(node, Name)
        if node.name == _HOLE:
            self.locals = inference.locals()
            self.expected = Variable(open_side=True)
            return self.expected
        return Variable() if node.name == _FILLER else RULES[Name](inference, node)

    def field(self, inference: Inference, node: Expression) -> Term:
        """Infer a field."""
        assert isinstance(node, FieldAccess)
        if node.name != _HOLE:
            return RULES[FieldAccess](inference, node)
        path = global_path(inference, node)
        if path is not None:
            self.members = inference.globals.members(path.rpartition(".")[0])
        else:
            self.target = inference.infer(node.target)
        return Variable()


def _parse(text: str) -> Block:
    return parse_program(text, tolerant=True)


def _repaired(text: str, parse: Parse) -> Block | None:
    """Return the tree of a text whose end is missing, or None if more than that is wrong."""
    for _ in range(_REPAIRS_MAX):
        try:
            return parse(text)
        except CompileError as error:
            finding = error.diagnostics[0]
            if "at least two expressions" in finding.cause and text.endswith("}"):
                text = text[:-1] + f"; {_FILLER}}}"
                continue
            if finding.code is Code.UNTERMINATED and open_at_end(text)[-1:] == ['"']:
                text += '"'
                continue
            if finding.end < len(text) or "the end of the text" not in finding.cause:
                return None
            wanted = _EXPECTED.match(finding.cause)
            missing = _FILLER if wanted is None else wanted[1]
            text += "_" if "expected a type" in finding.cause else f" {missing}"
    return None


def _proposals(
    inference: Inference, tree: Block, watcher: _Watcher, start: int
) -> Iterator[Completion]:
    if watcher.members is not None:
        for name in watcher.members:
            yield Completion(name, name, start, "field")
    elif watcher.target is not None:
        yield from _members(inference, resolve(watcher.target), start)
    elif watcher.expected is not None:
        yield from _expected(resolve(watcher.expected), start)
        yield from _values(inference, watcher, start)
    else:
        yield from _elsewhere(inference, tree, start)


# Members


def _members(inference: Inference, target: Term, start: int) -> Iterator[Completion]:
    catalog = inference.catalog
    match target:
        case InstanceTerm(parameter):
            yield from _functions(catalog, parameter, start)
            return
        case ResourceTerm(_, interface, name):
            yield from _methods(catalog, ResourceName(name, interface), start)
            return
        case Nominal(Own(resource) | Borrow(resource)):
            yield from _methods(catalog, resource, start)
            return
        case RecordTerm(fields):
            yield from _fields(fields, start)
        case RangeTerm():
            yield from _fields(range_fields(target), start)
        case _:
            pass
    for each in _builtins(target):
        rest = "".join(f", {_word(parameter)}" for parameter in each.parameters)[2:]
        insert = f"{each.name}()" if not each.parameters else f"{each.name}("
        result = _word(each.result)
        yield Completion(each.name, insert, start, "method", f"({rest}) -> {result}")


def _fields(fields: Mapping[str, Term], start: int) -> Iterator[Completion]:
    for name, term in fields.items():
        yield Completion(name, name, start, "field", show(term))


def _functions(catalog: Catalog, narrowed: str | None, start: int) -> Iterator[Completion]:
    for name in sorted(catalog.names()):
        if name.startswith("["):
            continue
        uses = [
            use
            for use in catalog.functions(name)
            if narrowed is None or interface_fits(use.function.interface, narrowed)
        ]
        for use in uses:
            full = use.function.interface
            parameter = f"[{full}]" if len(uses) > 1 and full is not None else ""
            is_resource = use.function.name.startswith("[constructor]")
            kind: CompletionKind = "resource" if is_resource else "function"
            yield _called(name, parameter, use, start, kind, skipped=0)


def _methods(catalog: Catalog, resource: ResourceName, start: int) -> Iterator[Completion]:
    for name in catalog.method_names(resource):
        use = catalog.method("", resource, name)
        if use is not None:
            yield _called(name, "", use, start, "method", skipped=1)
    yield Completion("drop", "drop()", start, "method", "ends the resource")


def _called(
    name: str, parameter: str, use: FunctionUse, start: int, kind: CompletionKind, *, skipped: int
) -> Completion:
    arguments = arguments_stub(use.function.type.parameters[skipped:])
    if len(arguments) > _STUB_CHARACTERS_MAX:
        arguments = "("
    label = f"{name}{parameter}"
    return Completion(label, f"{label}{arguments}", start, kind, signature(use.function))


def _builtins(target: Term) -> Iterator[Signature]:
    if isinstance(target, Poison) or (isinstance(target, Variable) and not target.allowed):
        return
    for group in signatures().values():
        for each in group:
            if receiver_fits(each.receiver, target):
                yield each
                break


def _word(type_: TypeText) -> str:
    if not type_.arguments:
        return type_.name
    return f"{type_.name}<{', '.join(map(_word, type_.arguments))}>"


# Values


def _expected(term: Term, start: int) -> Iterator[Completion]:
    """Yield what makes a value of the type that the place needs."""
    match term:
        case Nominal(EnumType() | VariantType() as type_):
            for name in case_names(type_):
                yield Completion(name, _case(type_, name), start, "case", show(term))
        case OptionTerm():
            yield Completion("none", "none", start, "value", show(term))
            yield Completion("some", "some(", start, "value", show(term))
        case ResultTerm():
            for side in ("ok", "err"):
                yield Completion(side, f"{side}(", start, "value", show(term))
        case _:
            pass
    if is_storable(term):
        whole = to_wit(term)
        text = "" if whole is None else stub(whole)
        if 0 < len(text) <= _STUB_CHARACTERS_MAX:
            yield Completion(text, text, start, "value", show(term))


def _case(type_: EnumType | VariantType, name: str) -> str:
    if isinstance(type_, EnumType):
        return name
    payload = next((case.type for case in type_.cases if case.name == name), None)
    return name if payload is None else f"{name}({stub(payload)})"


def _values(inference: Inference, watcher: _Watcher, start: int) -> Iterator[Completion]:
    for name, term in sorted(watcher.locals.items()):
        yield Completion(name, name, start, "variable", show(term))
    for root in sorted(inference.globals.roots or ()):
        yield Completion(root, root, start, "variable", "input")
    for name in sorted(inference.catalog.case_names()):
        for type_ in inference.catalog.cases(name):
            yield Completion(name, _case(type_, name), start, "case", show(Nominal(type_)))
    for word in _VALUE_KEYWORDS:
        insert = 'instance("' if word == "instance" else word
        yield Completion(word, insert, start, "keyword")
    for name in sorted(signatures()):
        yield Completion(name, f"{name}(", start, "function", "function of the language")


def _elsewhere(inference: Inference, tree: Block, start: int) -> Iterator[Completion]:
    """Yield what fits where no expression stands: types, patterns, first words in braces."""
    for node, _, _ in walk(tree):
        match node:
            case TypeText(name) if name == _HOLE:
                for each in (*PRIMITIVES, "list", "option", "result", "tuple"):
                    yield Completion(each, each, start, "type")
                for each in sorted(inference.catalog.type_names()):
                    yield Completion(each, each, start, "type")
            case Binding(name) if name == _HOLE:
                yield from _patterns(inference, node, start)
            case Flags(labels) if _HOLE in labels:
                yield from _values(inference, _Watcher(), start)
            case _:
                pass


def _patterns(inference: Inference, node: Node, start: int) -> Iterator[Completion]:
    term = resolve(inference.types.get(node, Variable()))
    match term:
        case Nominal(EnumType() | VariantType() as type_):
            for name in case_names(type_):
                has_payload = not isinstance(type_, EnumType) and any(
                    case.name == name and case.type is not None for case in type_.cases
                )
                insert = f"{name}(_)" if has_payload else name
                yield Completion(name, insert, start, "case", show(term))
        case OptionTerm():
            yield Completion("some", "some(_)", start, "case", show(term))
            yield Completion("none", "none", start, "case", show(term))
        case ResultTerm():
            yield Completion("ok", "ok(_)", start, "case", show(term))
            yield Completion("err", "err(_)", start, "case", show(term))
        case _:
            pass
