"""The table that the parser follows is the one of the grammar, and needs no grammar at run time."""

import subprocess
import sys
from pathlib import Path

import pytest

from wit.errors import ParseError
from wit.text.grammar import compiled, encoded
from wit.text.resolver import resolve_text
from wit.text.table import load
from wit.text.type_expression import names_of, parse_type
from wit.types import ListType, Primitive, TupleType

ROOT = Path(__file__).parents[4]


def test_the_table_is_made_from_the_grammar():
    """If this fails, run `python -m wit.text.grammar`."""
    stored = (ROOT / "wit" / "text" / "wit.table.json").read_bytes()
    assert stored == encoded(compiled())
    assert load() == compiled()


def test_parsing_needs_no_parser_generator():
    script = (
        "import sys, wit.text.resolver as r\n"
        "r.resolve_text('package a:b; interface i { f: func(); }')\n"
        "assert 'lark' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)


def test_a_type_is_read_from_one_line():
    assert parse_type("list<tuple<u8, string>>") == ListType(
        TupleType((Primitive.U8, Primitive.STRING))
    )
    world = resolve_text(
        "package a:b; interface i { record r { x: u8 } resource s; f: func(x: r); }"
        "world w { export i; }"
    ).world()
    api = world.export_interfaces[0]
    assert parse_type("r", names_of(world)) == api.types[0].type
    assert parse_type("option<borrow<s>>", names_of(world)).some.resource.name == "s"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: expected a type, got end of file"),
        ("list<", "1:6: expected a type, got end of file"),
        ("foo", "1:1: unknown type"),
        ("u8 u8", "1:4: expected end of file, got `u8`"),
        ("list<u8>>", "1:9: expected end of file, got `>`"),
        ("borrow<r>", "1:8: r is a type, borrow<…> needs a resource"),
    ],
)
def test_what_is_no_type_is_placed(text, message):
    names = resolve_text(
        "package a:b; interface i { record r { x: u8 } } world w { export i; }"
    ).world()
    with pytest.raises(ParseError) as caught:
        parse_type(text, names_of(names))
    assert str(caught.value).startswith(message)
