"""From a typed tree to instructions. Trusts the types; decides nothing that can fail."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final, assert_never, final

from rib.catalog import FunctionUse
from rib.code import (
    VERSION,
    And,
    Append,
    Arithmetic,
    AssertCompare,
    AssertFailure,
    AssertTrue,
    Bare,
    Builtin,
    CallHandle,
    CallResource,
    CallWorker,
    Compare,
    Compiled,
    Drop,
    Element,
    EndList,
    GetField,
    GetItem,
    GetSlice,
    Guard,
    Input,
    Instruction,
    Iterate,
    Join,
    Jump,
    JumpUnless,
    Load,
    LoadInput,
    MakeCase,
    MakeFlags,
    MakeList,
    MakeRange,
    MakeRecord,
    MakeResource,
    MakeTuple,
    MakeWorker,
    Negate,
    NewList,
    Next,
    Not,
    Or,
    Payload,
    Pop,
    Push,
    Render,
    Store,
    TestCase,
    TestEqual,
    TestLength,
    TestNone,
    TestSome,
    Unguard,
    Unwrap,
    Wrap,
)
from rib.constants import constant, number
from rib.inference import Inference
from rib.syntax import (
    Alias,
    Assert,
    Binary,
    Binding,
    Block,
    Boolean,
    Call,
    Character,
    Constructor,
    DirectCall,
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
    ListPattern,
    LiteralPattern,
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
    RecordPattern,
    Reduce,
    Some,
    Span,
    String,
    TupleLiteral,
    TuplePattern,
    Typed,
    Unary,
    Wildcard,
)
from rib.terms import (
    UNIT,
    ListTerm,
    RangeTerm,
    Term,
    TupleTerm,
    is_storable,
    resolve,
    to_wit,
)
from rib.uses import (
    BuiltinUse,
    CaseUse,
    ConstructorUse,
    DropUse,
    HandleUse,
    InputUse,
    LocalUse,
    MethodUse,
    Rewritten,
    WorkerUse,
)
from wit.types import EnumType, Primitive, Type

__all__ = ["emit"]

_PLACEHOLDER: Final = -1


def emit(inference: Inference, program: Block) -> Compiled:
    """Return the code of a program without errors."""
    emitter = _Emitter(inference)
    emitter.expression(program)
    result = to_wit(inference.types[program])
    return Compiled(
        version=VERSION,
        text=inference.text,
        instructions=tuple(emitter.instructions),
        places=tuple(emitter.places),
        slot_count=emitter.slot_count,
        inputs=tuple(Input(path, emitter.present(term)) for path, term in inference.inputs.items()),
        functions=tuple(emitter.functions),
        types=tuple(emitter.types),
        result=result,
        warnings=tuple(inference.warnings),
    )


@final
class _Emitter:
    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self._input_index = {path: index for index, path in enumerate(inference.inputs)}
        self._place: Span = inference.root.span
        self.instructions: list[Instruction] = []
        self.places: list[tuple[int, int]] = []
        self.functions: list[FunctionUse] = []
        self.types: list[Type | None] = []
        self.slot_count = inference.slot_count

    # Leaves

    def present(self, term: Term) -> Type:
        """Return the type of what has a value."""
        type_ = to_wit(term)
        assert type_ is not None
        return type_

    def _type(self, node: Node) -> Type:
        return self.present(self._inference.types[node])

    def _is_bytes(self, node: Node) -> bool:
        term = resolve(self._inference.types[node])
        return isinstance(term, ListTerm) and resolve(term.element) is Primitive.U8

    def _type_index(self, node: Node) -> int:
        term = self._inference.types[node]
        # What only exists inside a program has no type to store, and nobody asks for it.
        type_ = to_wit(term) if is_storable(term) else None
        if type_ not in self.types:
            self.types.append(type_)
        return self.types.index(type_)

    def _function(self, use: FunctionUse) -> int:
        if use not in self.functions:
            self.functions.append(use)
        return self.functions.index(use)

    def _add(self, instruction: Instruction) -> int:
        """Append an instruction; returns its index, which jumps aim at."""
        self.instructions.append(instruction)
        self.places.append((self._place.start, self._place.end))
        return len(self.instructions) - 1

    def _here(self) -> int:
        return len(self.instructions)

    def _land(self, *jumps: int) -> None:
        """Let jumps that were emitted before lead to the next instruction."""
        here = self._here()
        for index in jumps:
            match self.instructions[index]:
                case Jump():
                    self.instructions[index] = Jump(here)
                case JumpUnless():
                    self.instructions[index] = JumpUnless(here)
                case And():
                    self.instructions[index] = And(here)
                case Or():
                    self.instructions[index] = Or(here)
                case Guard():
                    self.instructions[index] = Guard(here)
                case Next(slot):
                    self.instructions[index] = Next(slot, here)
                case other:
                    raise AssertionError(f"{other} does not jump")

    def _new_slot(self) -> int:
        self.slot_count += 1
        return self.slot_count - 1

    @contextmanager
    def _at(self, node: Node) -> Generator[None]:
        outer, self._place = self._place, node.span
        yield
        self._place = outer

    # Expressions

    def expression(self, node: Expression) -> None:
        """Emit what pushes the value of an expression; a `let` pushes None."""
        outer, self._place = self._place, node.span
        match node:
            case Number() | Boolean() | Character() | Nothing():
                self._literal(node, negative=False)
            case String():
                self._string(node)
            case Name() | FieldAccess() | Index():
                self._access(node)
            case ListLiteral() | TupleLiteral() | Record() | Flags() | Range():
                self._compound(node)
            case Some(value):
                self.expression(value)
                self._add(Wrap("some"))
            case Ok(value) | Err(value):
                kind = "ok" if isinstance(node, Ok) else "err"
                if value is None:
                    self._add(Bare(kind))
                else:
                    self.expression(value)
                    self._add(Wrap(kind))
            case Instance() | Call() | DirectCall() | Method():
                self._call(node)
            case Unary() | Binary():
                self._operator(node)
            case Typed(value):
                self.expression(value)
            case Let() | If() | Match() | For() | Reduce() | Block():
                self._control(node)
            case Assert():
                self._assert(node)
            case _:
                assert_never(node)
        self._place = outer

    def _literal(self, node: Number | Boolean | Character | Nothing, *, negative: bool) -> None:
        match node:
            case Number(digits):
                type_ = self._type(node)
                self._add(Push(number(digits, type_, negative=negative)))
            case Boolean(value):
                self._add(Push(value))
            case Character(value):
                self._add(Push(value))
            case Nothing():
                self._add(Push(None))

    def _string(self, node: String) -> None:
        if not node.parts:
            self._add(Push(""))
        for part in node.parts:
            if isinstance(part, str):
                self._add(Push(part))
                continue
            self.expression(part)
            if self._type(part) is not Primitive.STRING:
                with self._at(part):
                    self._add(Render(self._type_index(part)))
        if len(node.parts) > 1:
            self._add(Join(len(node.parts)))

    def _access(self, node: Name | FieldAccess | Index) -> None:
        match self._inference.uses.get(node):
            case LocalUse(slot):
                self._add(Load(slot))
                return
            case InputUse(path):
                self._add(LoadInput(self._input_index[path]))
                return
            case CaseUse(name):
                self._case(node, name, None)
                return
            case _:
                pass
        match node:
            case FieldAccess(target, name):
                self.expression(target)
                self._add(GetField(name))
            case Index(target, index):
                self.expression(target)
                if isinstance(resolve(self._inference.types[target]), TupleTerm):
                    assert isinstance(index, Number)
                    self._add(Element(int(index.digits)))
                    return
                self.expression(index)
                is_slice = isinstance(resolve(self._inference.types[index]), RangeTerm)
                self._add(GetSlice() if is_slice else GetItem())
            case Name(name):
                raise AssertionError(f"`{name}` has no meaning")

    def _case(self, node: Node, name: str, payload: Expression | None) -> None:
        if isinstance(self._type(node), EnumType):
            self._add(Push(name))
            return
        if payload is not None:
            self.expression(payload)
        self._add(MakeCase(name, payload is not None))

    def _compound(self, node: ListLiteral | TupleLiteral | Record | Flags | Range) -> None:
        match node:
            case ListLiteral(items):
                self._all(items)
                self._add(MakeList(len(items), self._is_bytes(node)))
            case TupleLiteral(items):
                self._all(items)
                self._add(MakeTuple(len(items)))
            case Record(entries):
                for entry in entries:
                    self.expression(entry.value)
                self._add(MakeRecord(tuple(entry.name for entry in entries)))
            case Flags(labels):
                self._add(MakeFlags(labels))
            case Range(first, last, inclusive):
                self.expression(first)
                if last is not None:
                    self.expression(last)
                self._add(MakeRange(last is not None, inclusive))

    def _all(self, items: Sequence[Expression]) -> None:
        for item in items:
            self.expression(item)

    # Operators

    def _operator(self, node: Unary | Binary) -> None:
        match node:
            case Unary("-", Number() as number):
                self._literal(number, negative=True)
            case Unary("-", operand):
                self.expression(operand)
                self._add(Negate(self._type(operand)))
            case Unary(_, operand):
                self.expression(operand)
                self._add(Not())
            case Binary("&&" | "||" as operator, left, right):
                self.expression(left)
                skip = self._add(And(_PLACEHOLDER) if operator == "&&" else Or(_PLACEHOLDER))
                self.expression(right)
                self._land(skip)
            case Binary("==" | "!=" | "<" | "<=" | ">" | ">=" as operator, left, right):
                self.expression(left)
                self.expression(right)
                self._add(Compare(operator))
            case Binary(operator, left, right):
                self.expression(left)
                self.expression(right)
                self._add(Arithmetic(operator, self._type(left)))

    # Calls

    def _call(self, node: Instance | Call | DirectCall | Method) -> None:
        if isinstance(node, Instance):
            arguments = node.arguments or ()
            self._all(arguments)
            self._add(MakeWorker(bool(arguments)))
            return
        use = self._inference.uses[node]
        if isinstance(use, Rewritten):
            self.expression(use.expression)
            return
        operands = (node.target, *node.arguments) if isinstance(node, Method) else node.arguments
        if isinstance(use, CaseUse):
            self._case(node, use.name, operands[0])
            return
        self._all(operands)
        count = len(operands) - 1
        match use:
            case WorkerUse(function):
                self._add(CallWorker(self._function(function), count))
            case ConstructorUse(function):
                self._add(MakeResource(self._function(function), count))
            case MethodUse(function):
                self._add(CallResource(self._function(function), count))
            case HandleUse(function):
                self._add(CallHandle(self._function(function), count))
            case DropUse():
                self._add(Drop())
            case BuiltinUse(name):
                receiver, result = self._type_index(operands[0]), self._type_index(node)
                self._add(Builtin(name, len(operands), receiver, result))
            case other:
                raise AssertionError(f"{other} is no call")

    # Control

    def _control(self, node: Let | If | Match | For | Reduce | Block) -> None:
        match node:
            case Let(_, _, value):
                self.expression(value)
                self._add(Store(self._inference.slots[node][0]))
                self._add(Push(None))
            case If(condition, yes, no):
                self.expression(condition)
                otherwise = self._add(JumpUnless(_PLACEHOLDER))
                self.expression(yes)
                end = self._add(Jump(_PLACEHOLDER))
                self._land(otherwise)
                self.expression(no)
                self._land(end)
            case Match():
                self._match(node)
            case For() | Reduce():
                self._loop(node)
            case Block(statements):
                self._statements(statements[:-1])
                self.expression(statements[-1])

    def _assert(self, node: Assert) -> None:
        match node:
            case Assert(subject, True, text):
                if text is not None:
                    self.expression(text)
                guard = self._add(Guard(_PLACEHOLDER))
                self.expression(subject)
                self._add(Unguard())
                self._land(guard)
                self._add(AssertFailure(text is not None))
            case Assert(Binary("==" | "!=" | "<" | "<=" | ">" | ">=" as operator, left, right)):
                self._all((left, right))
                self._add(AssertCompare(operator, self._type_index(left)))
            case Assert(subject):
                self.expression(subject)
                self._add(AssertTrue())
        self._add(Push(None))

    def _statements(self, statements: Sequence[Expression]) -> None:
        for statement in statements:
            if isinstance(statement, Let):
                with self._at(statement):
                    self.expression(statement.value)
                    self._add(Store(self._inference.slots[statement][0]))
            else:
                self.expression(statement)
                self._add(Pop())

    def _loop(self, node: For | Reduce) -> None:
        slots = self._inference.slots[node]
        if isinstance(node, Reduce):
            self.expression(node.initial)
            self._add(Store(slots[0]))
        else:
            self._add(NewList())
        with self._at(node.iterable):
            self.expression(node.iterable)
            self._add(Iterate())
        turn = self._add(Next(slots[-1], _PLACEHOLDER))
        self._statements(node.statements)
        self.expression(node.result)
        if resolve(self._inference.types[node.result]) is UNIT and isinstance(node, For):
            # A list has values: where a call has none, the empty tuple stands for it.
            self._add(Pop())
            self._add(MakeTuple(0))
        self._add(Store(slots[0]) if isinstance(node, Reduce) else Append())
        self._add(Jump(turn))
        self._land(turn)
        if isinstance(node, Reduce):
            self._add(Load(slots[0]))
        else:
            self._add(EndList(self._is_bytes(node)))

    def _match(self, node: Match) -> None:
        subject = self._new_slot()
        self.expression(node.subject)
        self._add(Store(subject))
        ends: list[int] = []
        for arm in node.arms:
            failures: list[int] = []
            with self._at(arm.pattern):
                self._pattern(arm.pattern, subject, failures)
            self.expression(arm.body)
            ends.append(self._add(Jump(_PLACEHOLDER)))
            self._land(*failures)
        # The arms cover everything, so that control never falls out of the last one.
        self._land(*ends)

    # Patterns

    def _pattern(self, pattern: Pattern, slot: int, failures: list[int]) -> None:
        match pattern:
            case Wildcard():
                pass
            case Binding(name):
                if isinstance(self._inference.uses.get(pattern), CaseUse):
                    self._test_case(pattern, name, slot, failures)
                else:
                    self._add(Load(slot))
                    self._add(Store(self._inference.slots[pattern][0]))
            case LiteralPattern(value):
                self._test(slot, TestEqual(constant(value, self._type)), failures)
            case Alias(_, inner):
                self._add(Load(slot))
                self._add(Store(self._inference.slots[pattern][0]))
                self._pattern(inner, slot, failures)
            case Constructor():
                self._constructor(pattern, slot, failures)
            case TuplePattern(items):
                self._items(items, slot, failures)
            case ListPattern(items):
                self._test(slot, TestLength(len(items)), failures)
                self._items(items, slot, failures)
            case RecordPattern(entries):
                for entry in entries:
                    self._inner(entry.pattern, slot, GetField(entry.name), failures)
            case _:
                assert_never(pattern)

    def _items(self, items: Sequence[Pattern], slot: int, failures: list[int]) -> None:
        for index, item in enumerate(items):
            self._inner(item, slot, Element(index), failures)

    def _constructor(self, pattern: Constructor, slot: int, failures: list[int]) -> None:
        match pattern.name:
            case "some":
                self._test(slot, TestSome(), failures)
                self._inner(pattern.arguments[0], slot, Unwrap(), failures)
            case "none":
                self._test(slot, TestNone(), failures)
            case name:
                self._test_case(pattern, name, slot, failures)
                for argument in pattern.arguments:
                    self._inner(argument, slot, Payload(), failures)

    def _test_case(self, pattern: Pattern, name: str, slot: int, failures: list[int]) -> None:
        is_enum = isinstance(self._type(pattern), EnumType)
        self._test(slot, TestEqual(name) if is_enum else TestCase(name), failures)

    def _test(self, slot: int, test: Instruction, failures: list[int]) -> None:
        self._add(Load(slot))
        self._add(test)
        failures.append(self._add(JumpUnless(_PLACEHOLDER)))

    def _inner(self, pattern: Pattern, slot: int, step: Instruction, failures: list[int]) -> None:
        if isinstance(pattern, Wildcard):
            return
        inner = self._new_slot()
        self._add(Load(slot))
        self._add(step)
        self._add(Store(inner))
        self._pattern(pattern, inner, failures)
