"""What is generated for C, Zig and TypeScript, to the letter: golden files beside the WIT.

python -m tests.unit.wit.test_bindings      writes them anew, to be looked at
"""

from pathlib import Path

import pytest

from wit.bindings.c import c_bindings
from wit.bindings.flattening import flat
from wit.bindings.typescript import typescript_bindings
from wit.bindings.zig import zig_bindings
from wit.errors import WitError
from wit.text.resolver import resolve_text
from wit.types import Case, FlagsType, OptionType, Primitive, ResultType, VariantType
from wit.world import World

GOLDEN = Path(__file__).parents[2] / "golden" / "bindings"


def world_of(name: str) -> World:
    world = resolve_text((GOLDEN / f"{name}.wit").read_text()).world()
    assert world is not None
    return world


def generated(name: str) -> dict[str, str]:
    world = world_of(name)
    bindings = c_bindings(world, name)
    glue = bindings.source.partition("#endif\n\n__attribute__")[2]
    return {
        f"{name}.h": bindings.header,
        # Without the part that is the same for every world.
        f"{name}.c": glue,
        f"{name}.zig": zig_bindings(world, name),
        f"{name}.d.ts": typescript_bindings(world),
    }


@pytest.mark.parametrize("file", generated("shop"))
def test_the_text_is_that_of_the_golden_file(file: str) -> None:
    assert generated("shop")[file] == (GOLDEN / f"{file}.txt").read_text()


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        (Primitive.STRING, ("i32", "i32")),
        (OptionType(Primitive.U64), ("i32", "i64")),
        (ResultType(Primitive.F32, Primitive.U32), ("i32", "i32")),
        (ResultType(Primitive.F64, Primitive.U8), ("i32", "i64")),
        (
            VariantType((Case("a", Primitive.STRING), Case("b", Primitive.F64))),
            ("i32", "i64", "i32"),
        ),
        (FlagsType(tuple(f"f{at}" for at in range(33))), ("i32", "i32")),
    ],
)
def test_values_are_flattened_as_the_specification_says(type_, expected) -> None:
    assert flat(type_) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("package a:b; world w { export f: func(x: stream<u8>); }", "no values of type stream"),
        (
            "package a:b; interface i { resource r; } world w { import i; export i; }",
            "is two types",
        ),
    ],
)
def test_what_c_cannot_say_is_refused_by_name(text: str, message: str) -> None:
    world = resolve_text(text).world()
    assert world is not None

    with pytest.raises(WitError, match=message):
        c_bindings(world, "w")


if __name__ == "__main__":
    for each, content in generated("shop").items():
        (GOLDEN / f"{each}.txt").write_text(content)
