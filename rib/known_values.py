"""What stands literally in the records that a program can end with, as its text shows."""

from collections.abc import Iterator, Sequence

from rib.errors import CompileError
from rib.parser import parse
from rib.syntax import Block, Boolean, Expression, If, Match, Number, Record, String, Typed

__all__ = ["literals_at"]


def literals_at(text: str, path: Sequence[str]) -> frozenset[str] | None:
    """Return the numbers and strings at a path of fields in the program's value.

    All branches are looked at. None if one of them has something else there, which only a run can
    tell, such as a call or a variable.
    """
    try:
        tree = parse(text)
    except CompileError:
        return None
    found: set[str] = set()
    for value in _members(tree, tuple(path)):
        literal = _literal(value)
        if literal is None:
            return None
        found.add(literal)
    return frozenset(found)


def _members(node: Expression | None, path: tuple[str, ...]) -> Iterator[Expression | None]:
    """Yield what stands at a path, once for each branch; None for what cannot be told."""
    match node:
        case Block(statements) if statements:
            yield from _members(statements[-1], path)
        case Typed(value=value):
            yield from _members(value, path)
        case If(yes=yes, no=no):
            yield from _members(yes, path)
            yield from _members(no, path)
        case Match(arms=arms):
            for arm in arms:
                yield from _members(arm.body, path)
        case Record(entries) if path:
            for entry in entries:
                if entry.name == path[0]:
                    yield from _members(entry.value, path[1:])
        case _:
            yield node if not path else None


def _literal(node: Expression | None) -> str | None:
    match node:
        case Number(digits):
            return digits
        case Boolean(value):
            return "true" if value else "false"
        case String(parts) if all(isinstance(part, str) for part in parts):
            return "".join(str(part) for part in parts)
        case _:
            return None
