"""Every example of docs/VALUES.md is true."""

from pathlib import Path

import msgspec
import pytest

from tests.support.wit_strategies import same
from wit.json_values import decode_json, encode_json
from wit.limits import (
    JSON_BYTES_MAX,
    TYPE_DEPTH_MAX,
    WAVE_CHARACTERS_MAX,
    WAVE_DEPTH_MAX,
)
from wit.signatures import declarations
from wit.type_text import type_text
from wit.types import (
    Case,
    EnumType,
    Field,
    FixedListType,
    FlagsType,
    ListType,
    MapType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    TypeName,
    VariantType,
)
from wit.wave import format_value, parse_value

PAGE = (Path(__file__).parents[3] / "docs" / "VALUES.md").read_text(encoding="utf-8")

U8, U32, STRING = Primitive.U8, Primitive.U32, Primitive.STRING
NAMED = [
    RecordType(
        (Field("name", STRING), Field("qty", U32), Field("note", OptionType(STRING))),
        TypeName("item"),
    ),
    RecordType((Field("limit", OptionType(U32)),), TypeName("settings")),
    VariantType(
        (Case("point"), Case("circle", Primitive.F64), Case("named", OptionType(STRING))),
        TypeName("shape"),
    ),
    VariantType((Case("ok"), Case("later", U32)), TypeName("answer")),
    EnumType(("red", "deep-blue", "none"), TypeName("color")),
    FlagsType(("read", "write", "exec"), TypeName("perms")),
]
TYPES = {
    type_text(type_): type_
    for type_ in [
        *Primitive,
        *NAMED,
        ListType(U32),
        ListType(U8),
        ListType(STRING),
        FixedListType(U32, 2),
        MapType(STRING, U32),
        MapType(U8, STRING),
        TupleType((U8, STRING)),
        OptionType(U32),
        OptionType(OptionType(U32)),
        ResultType(U32, STRING),
        ResultType(None, STRING),
        ResultType(),
    ]
}


def _rows(columns):
    rows = []
    for line in PAGE.splitlines():
        cells = line.strip("|").split(" | ")
        if line.startswith("| `") and len(cells) == columns:
            rows.append(tuple(cell.strip().strip("`") for cell in cells))
    return rows


PRINTED, UNDERSTOOD = _rows(3), _rows(4)


def test_the_page_has_its_tables():
    assert len(PRINTED) > 30
    assert len(UNDERSTOOD) > 5
    assert {row[0] for row in PRINTED} >= set(TYPES) - {
        "s16",
        "s32",
        "s64",
        "u16",
        "u8",
        "settings",
    }


def test_the_declared_types_are_those_of_the_examples():
    assert "```wit\n{}\n```".format("\n\n".join(declarations(NAMED))) in PAGE


@pytest.mark.parametrize(("type_", "json", "wave"), PRINTED)
def test_printed_examples_are_read_and_printed_again(type_, json, wave):
    value = decode_json(json.encode(), TYPES[type_])
    assert same(parse_value(wave, TYPES[type_]), value)
    assert format_value(value, TYPES[type_]) == wave
    printed = msgspec.json.decode(encode_json(value, TYPES[type_]))
    assert printed == msgspec.json.decode(json.encode())


@pytest.mark.parametrize(("type_", "json", "wave", "canonical"), UNDERSTOOD)
def test_other_forms_mean_the_canonical_one(type_, json, wave, canonical):
    value = parse_value(canonical, TYPES[type_])
    assert same(decode_json(json.encode(), TYPES[type_]), value)
    assert same(parse_value(wave, TYPES[type_]), value)
    assert format_value(value, TYPES[type_]) == canonical


def test_the_limits_are_those_of_the_page():
    assert f"types nest at most {TYPE_DEPTH_MAX} deep" in PAGE
    assert f"WAVE brackets {WAVE_DEPTH_MAX}" in PAGE
    assert f"at most {JSON_BYTES_MAX // 2**20} MiB" in PAGE
    assert f"WAVE texts {WAVE_CHARACTERS_MAX // 2**20} Mi characters" in PAGE
