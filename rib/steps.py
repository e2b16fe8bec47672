"""Instructions made ready to run: each becomes one function over the stack.

A step returns where to continue, or None for the next instruction. Steps that call workers return
`EFFECT`: the machine does what they say, because only it may wait.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias, assert_never, cast

from rib.arithmetic import RELATIONS, convert, operation
from rib.assertions import asserting
from rib.code import (
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
from rib.diagnostics import Code
from rib.fault import Fault, check_members, check_text
from rib.frame import Frame
from rib.functions import function, renderer
from rib.measure import measure
from rib.port import Resource, Worker
from wit.types import Primitive
from wit.values import Value

__all__ = ["EFFECT", "Step", "link"]

EFFECT: Final = -1
Step: TypeAlias = Callable[[list[Value], Frame], int | None]


def link(code: Compiled) -> list[Step]:
    """Return the steps of a program, one for each instruction."""
    return [_step(each, index, code) for index, each in enumerate(code.instructions)]


def _step(instruction: Instruction, index: int, code: Compiled) -> Step:
    match instruction:
        case Push() | Load() | Store() | LoadInput() | Pop():
            return _moving(instruction)
        case MakeList() | MakeTuple() | MakeRecord() | MakeFlags() | MakeRange() | MakeCase():
            return _making(instruction)
        case Wrap() | Bare() | Payload() | Unwrap():
            return _wrapping(instruction)
        case GetField() | GetItem() | GetSlice() | Element():
            return _selecting(instruction)
        case Arithmetic() | Negate() | Not() | Compare():
            return _computing(instruction)
        case Jump() | JumpUnless() | And() | Or():
            return _jumping(instruction)
        case TestCase() | TestSome() | TestNone() | TestEqual() | TestLength():
            return _testing(instruction)
        case Join() | Render():
            return _writing(instruction, code)
        case NewList() | Append() | EndList() | Iterate() | Next():
            return _looping(instruction, index)
        case MakeWorker() | MakeResource():
            return _naming(instruction, code)
        case CallWorker() | CallResource() | CallHandle() | Drop():
            return lambda _, __: EFFECT
        case Builtin():
            return _builtin(instruction, code)
        case AssertTrue() | AssertCompare() | Guard() | Unguard() | AssertFailure():
            return asserting(instruction, code)
        case _:
            assert_never(instruction)


def _moving(instruction: Push | Load | Store | LoadInput | Pop) -> Step:
    match instruction:
        case Push(value):

            def step(stack: list[Value], _: Frame, /) -> None:
                stack.append(value)

        case Load(slot):

            def step(stack: list[Value], frame: Frame, /) -> None:
                stack.append(frame.slots[slot])

        case Store(slot):

            def step(stack: list[Value], frame: Frame, /) -> None:
                frame.slots[slot] = stack.pop()

        case LoadInput(index):

            def step(stack: list[Value], frame: Frame, /) -> None:
                stack.append(frame.inputs[index])

        case Pop():

            def step(stack: list[Value], _: Frame, /) -> None:
                stack.pop()

    return step


def pop_many(stack: list[Value], count: int) -> list[Value]:
    """Take the topmost values, the lowest first."""
    if count == 0:
        return []
    values = stack[-count:]
    del stack[-count:]
    return values


def _making(
    instruction: MakeList | MakeTuple | MakeRecord | MakeFlags | MakeRange | MakeCase,
) -> Step:
    match instruction:
        case MakeList(count, is_bytes):

            def step(stack: list[Value], _: Frame, /) -> None:
                items = pop_many(stack, count)
                stack.append(bytes(items) if is_bytes else items)

        case MakeTuple(count):

            def step(stack: list[Value], _: Frame, /) -> None:
                stack.append(tuple(pop_many(stack, count)))

        case MakeRecord(names):
            width = len(names)

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-width:] = [dict(zip(names, stack[-width:], strict=True))]

        case MakeFlags(labels):
            flags = frozenset(labels)

            def step(stack: list[Value], _: Frame, /) -> None:
                stack.append(flags)

        case MakeRange(has_end, is_inclusive):

            def step(stack: list[Value], _: Frame, /) -> None:
                end = {"to": (stack.pop(),)} if has_end else {}
                stack[-1] = {"from": (stack[-1],), **end, "inclusive": is_inclusive}

        case MakeCase(name, has_payload):

            def step(stack: list[Value], _: Frame, /) -> None:
                stack.append((name, stack.pop() if has_payload else None))

    return step


def _wrapping(instruction: Wrap | Bare | Payload | Unwrap) -> Step:
    match instruction:
        case Wrap("some"):

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-1] = (stack[-1],)

        case Wrap(kind):

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-1] = (kind, stack[-1])

        case Bare(kind):

            def step(stack: list[Value], _: Frame, /) -> None:
                stack.append((kind, None))

        case Payload():

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-1] = stack[-1][1]

        case Unwrap():

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-1] = stack[-1][0]

    return step


def _selecting(instruction: GetField | GetItem | GetSlice | Element) -> Step:
    match instruction:
        case GetField(name):

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-1] = stack[-1][name]

        case GetItem():

            def step(stack: list[Value], _: Frame, /) -> None:
                index = stack.pop()
                items = stack[-1]
                if not 0 <= index < len(items):
                    cause = f"index out of bound: {index} (size: {len(items)})"
                    raise Fault(Code.INDEX, cause, "use `.get(index)` for an option")
                stack[-1] = items[index]

        case GetSlice():

            def step(stack: list[Value], _: Frame, /) -> None:
                positions = stack.pop()
                stack[-1] = _slice(stack[-1], positions)

        case Element(index):

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-1] = stack[-1][index]

    return step


def _slice(items: Sequence[Value], positions: dict[str, Value]) -> Value:
    size = len(items)
    (start,) = positions["from"]
    end = size
    if "to" in positions:
        end = positions["to"][0] + (1 if positions["inclusive"] else 0)
    if not 0 <= start <= end <= size:
        text = range_text(positions)
        raise Fault(Code.INDEX, f"index out of bound: {text} (size: {size})")
    return items[start:end]


def range_text(positions: dict[str, Value]) -> str:
    """Return a range as programs write it."""
    dots = "..=" if positions["inclusive"] else ".."
    return f"{positions['from'][0]}{dots}{positions['to'][0] if 'to' in positions else ''}"


def _computing(instruction: Arithmetic | Negate | Not | Compare) -> Step:
    match instruction:
        case Arithmetic(symbol, type_):
            apply = operation(symbol, cast("Primitive", type_))

            def step(stack: list[Value], _: Frame, /) -> None:
                right = stack.pop()
                stack[-1] = apply(stack[-1], right)

        case Negate(type_):
            primitive = cast("Primitive", type_)

            def step(stack: list[Value], _: Frame, /) -> None:
                try:
                    stack[-1] = convert(-stack[-1], primitive, primitive)
                except Fault:
                    cause = f"arithmetic error: -({stack[-1]}) does not fit {primitive.value}"
                    raise Fault(Code.ARITHMETIC, cause) from None

        case Not():

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-1] = not stack[-1]

        case Compare(symbol):
            relation = RELATIONS[symbol]

            def step(stack: list[Value], _: Frame, /) -> None:
                right = stack.pop()
                stack[-1] = relation(stack[-1], right)

    return step


def _jumping(instruction: Jump | JumpUnless | And | Or) -> Step:
    target = instruction.target
    match instruction:
        case Jump():

            def step(_: list[Value], __: Frame, /) -> int | None:
                return target

        case JumpUnless():

            def step(stack: list[Value], _: Frame, /) -> int | None:
                return None if stack.pop() else target

        case And():

            def step(stack: list[Value], _: Frame, /) -> int | None:
                if not stack[-1]:
                    return target
                stack.pop()
                return None

        case Or():

            def step(stack: list[Value], _: Frame, /) -> int | None:
                if stack[-1]:
                    return target
                stack.pop()
                return None

    return step


def _testing(instruction: TestCase | TestSome | TestNone | TestEqual | TestLength) -> Step:
    match instruction:
        case TestCase(name):

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-1] = stack[-1][0] == name

        case TestSome():

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-1] = stack[-1] is not None

        case TestNone():

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-1] = stack[-1] is None

        case TestEqual(value):

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-1] = stack[-1] == value

        case TestLength(length):

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-1] = len(stack[-1]) == length

    return step


def _writing(instruction: Join | Render, code: Compiled) -> Step:
    match instruction:
        case Join(count):

            def step(stack: list[Value], frame: Frame, /) -> None:
                texts = pop_many(stack, count)
                length = sum(map(len, texts))
                check_text(length)
                frame.allocate(length)
                stack.append("".join(texts))

        case Render(index):
            type_ = code.types[index]
            assert type_ is not None
            render = renderer(type_)

            def step(stack: list[Value], frame: Frame, /) -> None:
                frame.allocate(measure(stack[-1], frame.units))
                stack[-1] = render(stack[-1])

    return step


def _looping(instruction: NewList | Append | EndList | Iterate | Next, index: int) -> Step:
    match instruction:
        case NewList():

            def step(stack: list[Value], _: Frame, /) -> int | None:
                stack.append([])
                return None

        case Append():

            def step(stack: list[Value], frame: Frame, /) -> int | None:
                value = stack.pop()
                items = stack[-2]
                items.append(value)
                frame.allocate(1)
                check_members(len(items))
                return None

        case EndList(is_bytes):

            def step(stack: list[Value], _: Frame, /) -> int | None:
                if is_bytes:
                    stack[-1] = bytes(stack[-1])
                return None

        case Iterate():

            def step(stack: list[Value], _: Frame, /) -> int | None:
                stack[-1] = _iterator(stack[-1])
                return None

        case Next(slot, target):
            # A turn costs what is between here and the jump back.
            cost = target - index

            def step(stack: list[Value], frame: Frame, /) -> int | None:
                for element in stack[-1]:
                    frame.slots[slot] = element
                    frame.spend(cost)
                    return None
                stack.pop()
                return target

    return step


def _iterator(iterable: Value) -> Iterator[Value]:
    if not isinstance(iterable, dict):
        return iter(iterable)
    positions = cast("dict[str, Value]", iterable)
    if "to" not in positions:
        cause = (
            "infinite computation detected: an infinite range is being iterated"
            f" ({range_text(positions)})"
        )
        raise Fault(Code.INFINITE, cause, "give the range an end")
    end = positions["to"][0] + (1 if positions["inclusive"] else 0)
    return iter(range(positions["from"][0], end))


def _naming(instruction: MakeWorker | MakeResource, code: Compiled) -> Step:
    match instruction:
        case MakeWorker(True):

            def step(stack: list[Value], _: Frame, /) -> None:
                stack[-1] = Worker(stack[-1])

        case MakeWorker():

            def step(stack: list[Value], frame: Frame, /) -> None:
                stack.append(Worker(None, frame.next_ordinal()))

        case MakeResource(index, count):
            use = code.functions[index]

            def step(stack: list[Value], _: Frame, /) -> None:
                arguments = tuple(pop_many(stack, count))
                stack[-1] = Resource(use.component, stack[-1], use.function, arguments)

    return step


def _builtin(instruction: Builtin, code: Compiled) -> Step:
    count = instruction.count
    types = code.types
    apply = function(instruction.name, types[instruction.receiver], types[instruction.result])

    def step(stack: list[Value], frame: Frame, /) -> None:
        result = apply(pop_many(stack, count))
        if isinstance(result, str | bytes | list | dict | tuple):
            frame.allocate(len(result))  # pyright: ignore[reportUnknownArgumentType] - any value
        stack.append(result)

    return step
