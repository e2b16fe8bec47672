"""What tests assert, and how a failed assertion shows the difference."""

import difflib
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from rib.arithmetic import RELATIONS
from rib.code import AssertCompare, AssertFailure, AssertTrue, Compiled, Guard, Unguard
from rib.diagnostics import Code
from rib.fault import Fault
from rib.frame import Frame
from wit.types import ListType, Primitive, RecordType, TupleType, Type
from wit.values import Value
from wit.wave import format_value

__all__ = ["asserting", "difference"]

Step: TypeAlias = Callable[[list[Value], Frame], int | None]

# Shorter values stand on one line; longer ones are compared line by line.
_ONE_LINE_MAX: Final = 72
_DIFFERENCE_LINES_MAX: Final = 60
_CONTEXT_LINES: Final = 2


def asserting(
    instruction: AssertTrue | AssertCompare | Guard | Unguard | AssertFailure, code: Compiled
) -> Step:
    """Return the step of an instruction."""
    match instruction:
        case AssertTrue():

            def step(stack: list[Value], _: Frame, /) -> None:
                if not stack.pop():
                    raise Fault(Code.ASSERTION, "assertion failed: it is false")

        case AssertCompare(symbol, index):
            type_ = code.types[index]
            assert type_ is not None
            relation = RELATIONS[symbol]

            def step(stack: list[Value], _: Frame, /) -> None:
                right, left = stack.pop(), stack.pop()
                if not relation(left, right):
                    details = difference(left, right, type_, symbol)
                    raise Fault(Code.ASSERTION, "assertion failed", details=details)

        case Guard(target):

            def step(stack: list[Value], frame: Frame, /) -> None:
                frame.guards.append((target, len(stack)))

        case Unguard():

            def step(_: list[Value], frame: Frame, /) -> None:
                frame.guards.pop()
                raise Fault(Code.ASSERTION, "assertion failed: it should fail, and did not")

        case AssertFailure(has_text):

            def step(stack: list[Value], _: Frame, /) -> None:
                cause = stack.pop()
                wanted = stack.pop() if has_text else ""
                if wanted not in cause:
                    details = (f"it failed by: {cause}",)
                    reason = f"assertion failed: the failure does not say {wanted!r}"
                    raise Fault(Code.ASSERTION, reason, details=details)

    return step


def difference(left: Value, right: Value, type_: Type, symbol: str = "==") -> tuple[str, ...]:
    """Return lines that show why two values do not stand in a relation."""
    found, wanted = (format_value(value, type_) for value in (left, right))
    if symbol != "==" or max(len(found), len(wanted)) <= _ONE_LINE_MAX:
        names = ("found", "expected") if symbol == "==" else ("left", f"not {symbol}")
        width = max(map(len, names)) + 1
        return tuple(
            f"{f'{name}:':<{width}} {_shortened(text)}"
            for name, text in zip(names, (found, wanted), strict=True)
        )
    compared = difflib.unified_diff(
        list(_lines(right, type_)), list(_lines(left, type_)), n=_CONTEXT_LINES, lineterm=""
    )
    # The first two lines name files.
    lines = list(compared)[2:]
    shown = lines[:_DIFFERENCE_LINES_MAX]
    more = len(lines) - len(shown)
    rest = (f"… {more} lines more",) if more else ()
    return ("- expected, + found", *shown, *rest)


def _shortened(text: str) -> str:
    return text if len(text) <= 10 * _ONE_LINE_MAX else f"{text[: 10 * _ONE_LINE_MAX]} …"


def _lines(value: Value, type_: Type, indent: str = "", end: str = "") -> Iterator[str]:
    """Yield a value over several lines, members one below the other."""
    text = format_value(value, type_)
    if len(text) <= _ONE_LINE_MAX // 2:
        yield f"{indent}{text}{end}"
        return
    inner = indent + "  "
    match type_:
        case RecordType(fields):
            yield indent + "{"
            for field in fields:
                first, *more = _lines(value[field.name], field.type, inner, ",")
                yield f"{inner}{field.name}: {first.lstrip()}"
                yield from more
            yield indent + "}" + end
        case ListType(element) if element is not Primitive.U8:
            yield indent + "["
            for item in value:
                yield from _lines(item, element, inner, ",")
            yield indent + "]" + end
        case TupleType(elements):
            yield indent + "("
            for item, element in zip(value, elements, strict=True):
                yield from _lines(item, element, inner, ",")
            yield indent + ")" + end
        case _:
            yield f"{indent}{text}{end}"
