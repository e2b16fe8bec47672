"""Trees as text: what parses to the same tree, in one layout."""

from typing import Final, assert_never

from rib.lexer import KEYWORDS
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
    Nothing,
    Number,
    Ok,
    Pattern,
    Range,
    Record,
    RecordPattern,
    Reduce,
    Some,
    String,
    TupleLiteral,
    TuplePattern,
    Typed,
    TypeText,
    Unary,
    Wildcard,
)

__all__ = ["escaped", "pattern_text", "print_program", "print_type"]

_LOOSE, _RANGE, _UNARY, _SUFFIX = 0, 4, 7, 8
_LEVELS: Final = {
    "||": 1,
    "&&": 2,
    "==": 3,
    "!=": 3,
    "<": 3,
    "<=": 3,
    ">": 3,
    ">=": 3,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "%": 6,
}
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "$": "\\$"}


def print_program(program: Block) -> str:
    """Return the text of a program, its statements on one line each."""
    return ";\n".join(map(_text, program.statements))


def print_type(type_: TypeText) -> str:
    """Return the text of a type annotation."""
    if not type_.arguments:
        return type_.name
    return f"{type_.name}<{', '.join(map(print_type, type_.arguments))}>"


def escaped(text: str) -> str:
    """Return text as it stands between the quotes of a string."""
    return "".join(
        _ESCAPES.get(character, character)
        if character.isprintable() or character in _ESCAPES
        else f"\\u{{{ord(character):x}}}"
        for character in text
    )


def _at(level: int, expression: Expression) -> str:
    """Return the text, in parentheses if it binds more weakly than its place needs."""
    text = _text(expression)
    return text if _level(expression) >= level else f"({text})"


def _level(expression: Expression) -> int:
    match expression:
        case If() | Let() | Assert() | Typed():
            # After `result`, a comparison would look like the types inside it.
            return _LOOSE
        case Binary(operator):
            return _LEVELS[operator]
        case Range():
            return _RANGE
        case Unary():
            return _UNARY
        case _:
            return _SUFFIX


def _text(expression: Expression) -> str:
    match expression:
        case Number() | Boolean() | Character() | String():
            return _literal_text(expression)
        case Name(name):
            return name
        case ListLiteral() | TupleLiteral() | Record() | Flags():
            return _compound_text(expression)
        case Some() | Nothing() | Ok() | Err():
            return _wrapper_text(expression)
        case Instance() | Call() | DirectCall() | Method():
            return _call_text(expression)
        case FieldAccess(target, name):
            return f"{_at(_SUFFIX, target)}.{name}"
        case Index(target, index):
            return f"{_at(_SUFFIX, target)}[{_text(index)}]"
        case Range(first, last, inclusive):
            end = "" if last is None else _at(_RANGE + 1, last)
            # A brace after a range begins the body of a loop.
            end = f"({end})" if end.startswith("{") else end
            return f"{_at(_RANGE + 1, first)}{'..=' if inclusive else '..'}{end}"
        case Unary(operator, operand):
            text = _at(_UNARY, operand)
            # A sign right before digits would become part of the number.
            is_number = isinstance(operand, Number)
            joins = operator == "-" and text[0].isdigit() and not is_number
            return f"-({text})" if joins else f"{operator}{text}"
        case Binary(operator, left, right):
            level = _LEVELS[operator]
            # Comparisons do not chain, so neither side may be one.
            left_level = level + 1 if level == _LEVELS["=="] else level
            return f"{_at(left_level, left)} {operator} {_at(level + 1, right)}"
        case Typed(value, type_):
            return f"{_at(_SUFFIX, value)}: {print_type(type_)}"
        case Let() | Assert() | If() | Match() | For() | Reduce() | Block():
            return _control_text(expression)
        case _:
            assert_never(expression)


def _literal_text(literal: Number | Boolean | Character | String) -> str:
    match literal:
        case Number(digits, suffix):
            return digits + (suffix or "")
        case Boolean(value):
            return "true" if value else "false"
        case Character(value):
            return "'\\''" if value == "'" else f"'{escaped(value)}'"
        case String(parts):
            return '"' + "".join(map(_part_text, parts)) + '"'


def _part_text(part: str | Expression) -> str:
    if isinstance(part, str):
        return escaped(part)
    # A block needs no braces of its own between those of the interpolation.
    inner = "; ".join(map(_text, part.statements)) if isinstance(part, Block) else _text(part)
    return f"${{{inner}}}"


def _compound_text(compound: ListLiteral | TupleLiteral | Record | Flags) -> str:
    match compound:
        case ListLiteral(items):
            return f"[{_listed(items)}]"
        case TupleLiteral(items):
            return f"({_listed(items)}{',' if len(items) == 1 else ''})"
        case Record(entries):
            members = [f"{entry.name}: {_text(entry.value)}" for entry in entries]
            return f"{{{', '.join(members)}}}"
        case Flags(labels):
            return f"{{{', '.join(labels)}}}"


def _wrapper_text(wrapper: Some | Nothing | Ok | Err) -> str:
    match wrapper:
        case Some(value):
            return f"some({_text(value)})"
        case Nothing():
            return "none"
        case Ok(value):
            return "ok" if value is None else f"ok({_text(value)})"
        case Err(value):
            return "err" if value is None else f"err({_text(value)})"


def _call_text(call: Instance | Call | DirectCall | Method) -> str:
    match call:
        case Instance(parameter, arguments):
            called = "" if arguments is None else f"({_listed(arguments)})"
            return f"instance{_parameter_text(parameter)}{called}"
        case Call(name, arguments):
            return f"{name}({_listed(arguments)})"
        case DirectCall(interface, function, owner, arguments):
            if owner is not None:
                head, dot, tail = function.partition(".")
                function = f"{head}({_listed(owner)}){dot}{tail}"
            return f"{interface}.{{{function}}}({_listed(arguments)})"
        case Method(target, name, parameter, arguments):
            head = f"{_at(_SUFFIX, target)}.{name}{_parameter_text(parameter)}"
            return f"{head}({_listed(arguments)})"


def _parameter_text(parameter: str | None) -> str:
    return "" if parameter is None else f"[{parameter}]"


def _listed(items: tuple[Expression, ...]) -> str:
    return ", ".join(map(_text, items))


def _control_text(control: Let | Assert | If | Match | For | Reduce | Block) -> str:
    match control:
        case Let(name, type_, value):
            annotation = "" if type_ is None else f": {print_type(type_)}"
            return f"let {name}{annotation} = {_text(value)}"
        case Assert(subject, fails, text):
            end = "" if text is None else f" with {_text(text)}"
            return f"assert {'fails ' if fails else ''}{_text(subject)}{end}"
        case If(condition, yes, no):
            return f"if {_text(condition)} then {_text(yes)} else {_text(no)}"
        case Match(subject, arms):
            texts = [f"{pattern_text(arm.pattern)} => {_text(arm.body)}" for arm in arms]
            return f"match {_text(subject)} {{ {', '.join(texts)} }}"
        case For(name, iterable, statements, result):
            return f"for {name} in {_text(iterable)} {_body_text(statements, result)}"
        case Reduce(accumulator, name, iterable, initial, statements, result):
            head = f"reduce {accumulator}, {name} in {_text(iterable)} from {_text(initial)}"
            return f"{head} {_body_text(statements, result)}"
        case Block(statements):
            return f"{{ {'; '.join(map(_text, statements))} }}"


def _body_text(statements: tuple[Expression, ...], result: Expression) -> str:
    before = "".join(f"{_text(statement)}; " for statement in statements)
    return f"{{ {before}yield {_text(result)}; }}"


def pattern_text(pattern: Pattern) -> str:
    """Return the text of a pattern."""
    match pattern:
        case Wildcard():
            return "_"
        case Binding(name):
            return name
        case LiteralPattern(value):
            return _text(value)
        case Alias(name, inner):
            return f"{name} @ {pattern_text(inner)}"
        case Constructor(name, arguments):
            bare = not arguments and name in KEYWORDS
            return name if bare else f"{name}({', '.join(map(pattern_text, arguments))})"
        case TuplePattern(items):
            return f"({', '.join(map(pattern_text, items))})"
        case ListPattern(items):
            return f"[{', '.join(map(pattern_text, items))}]"
        case RecordPattern(entries):
            members = [f"{entry.name}: {pattern_text(entry.pattern)}" for entry in entries]
            return f"{{{', '.join(members)}}}"
        case _:
            assert_never(pattern)
