"""From `wit.lark` to the table of the parser: the door to lark, opened when the grammar changes.

    python -m wit.text.grammar

writes `wit.table.json` anew. Making the table takes lark longer than parsing all of WASI takes the
parser, so it is made beforehand; a test compares it with the grammar.
"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, cast, final

import msgspec
from lark import Lark
from lark.lexer import Lexer

from wit.text.table import NOTHING, Rule, Table

__all__ = ["compiled", "encoded"]

STARTS: Final = ("start", "type")


@final
class _NoLexer(Lexer):
    """Stands where lark wants a lexer: this package has its own."""

    def __init__(self, _configuration: object) -> None:
        pass

    def lex(self, _lexer_state: object, _parser_state: object) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride] - never called
        return iter(())


def compiled() -> Table:
    """Return the table of the grammar, the same one in every process."""
    grammar = files("wit.text").joinpath("wit.lark").read_text(encoding="utf-8")
    lark: Any = Lark(grammar, parser="lalr", start=list(STARTS), lexer=cast("Any", _NoLexer))
    table = lark.parser.parser._parse_table  # noqa: SLF001 - lark shows it nowhere else
    rules = sorted(lark.rules, key=str)
    numbers = {rule: number for number, rule in enumerate(rules)}
    # Lark numbers states by the order of sets, which differs from run to run.
    order: list[int] = [table.start_states[start] for start in STARTS]
    known = dict.fromkeys(order)
    for state in order:
        for _, (action, target) in sorted(table.states[state].items()):
            if str(action) == "Shift" and target not in known:
                known[target] = None
                order.append(target)
    renumbered = {state: number for number, state in enumerate(order)}
    rows = tuple(
        {
            str(symbol): renumbered[target] if str(action) == "Shift" else -1 - numbers[target]
            for symbol, (action, target) in sorted(table.states[state].items())
        }
        for state in order
    )
    return Table(
        {start: renumbered[table.start_states[start]] for start in STARTS},
        {start: renumbered[table.end_states[start]] for start in STARTS},
        tuple(map(_rule, rules)),
        rows,
    )


def _rule(rule: Any) -> Rule:
    origin = str(rule.origin.name)
    callback = "" if origin.startswith("_") else str(rule.alias or origin)
    assert not rule.options.expand1 or rule.alias, "`?` stands before rules with names alone"
    slots: list[int] = []
    inlined: list[int] = []
    symbols: list[Any] = list(rule.expansion)
    missing: list[bool] = list(rule.options.empty_indices) or [False] * len(symbols)
    pending = iter(enumerate(symbols))
    for is_missing in missing:
        if is_missing:
            slots.append(NOTHING)
            continue
        index, symbol = next(pending)
        if symbol.is_term and symbol.filter_out:
            continue
        if not symbol.is_term and symbol.name.startswith("_"):
            inlined.append(len(slots))
        slots.append(index)
    return Rule(origin, callback, len(symbols), tuple(slots), tuple(inlined))


def encoded(table: Table) -> bytes:
    """Return the text of the table, one state or rule per line."""
    compact = msgspec.json.encode(table)
    for opening in (b'"rules":[', b'"rows":['):
        compact = compact.replace(opening, opening + b"\n")
    return compact.replace(b"},{", b"},\n{").replace(b"}]", b"}\n]") + b"\n"


if __name__ == "__main__":
    Path(__file__).with_name("wit.table.json").write_bytes(encoded(compiled()))
