"""Worlds written as WIT resolve to the same worlds again."""

import pytest

from tests.unit.wit.text.test_corpus import SHIPPED, WORLDS
from wit.errors import WitError
from wit.text.from_world import world_text
from wit.text.parser import parse
from wit.text.resolver import ALL_FEATURES, resolve, resolve_text
from wit.types import Field, FunctionType, Parameter, Primitive, RecordType
from wit.world import Function, World

CLASHES = """
package x:clash@1.0.0;
interface a { record point { x: u8 } resource r { get: func() -> point; } }
interface b {
  use a.{r, point as a-point};
  record point { y: u8 }
  enum color { red }
  both: func(mine: point, other: a-point, handle: borrow<r>) -> list<color>;
}
interface c {
  use a.{point as left};
  use b.{point as right};
  type pair = tuple<left, right>;
  join: func() -> pair;
}
world w { import c; export b; export plain: interface { use b.{color}; f: func() -> color; } }
"""


def shape(world):
    """What must survive: order of imports and exports is free in WIT text, names are not."""
    return (
        {each.name: each for each in world.import_interfaces},
        {each.name: each for each in world.export_interfaces},
        {each.name: each for each in world.import_functions},
        {each.name: each for each in world.export_functions},
    )


def worlds():
    packages = [resolve_text(WORLDS), resolve_text(CLASHES)]
    packages.append(
        resolve([[parse(f.read_text("utf-8"), f.name)] for f in SHIPPED], features=ALL_FEATURES)
    )
    for each in packages:
        for package in each.packages.values():
            for name, world in package.worlds.items():
                yield pytest.param(world, id=package.name.member(name))


@pytest.mark.parametrize("world", list(worlds()))
def test_a_written_world_resolves_to_itself(world):
    text = world_text(world)
    again = resolve_text(text).world("root")
    for mine, other in zip(shape(world), shape(again), strict=True):
        assert mine.keys() == other.keys()
        for name, entry in mine.items():
            if isinstance(entry, Function):
                assert other[name] == entry
                continue
            assert set(other[name].functions) == set(entry.functions)
            assert {t.name: t.type for t in other[name].types}.items() >= {
                t.name: t.type for t in entry.types
            }.items()
    assert world_text(again) == world_text(resolve_text(world_text(again)).world("root"))


def test_types_of_equal_names_are_told_apart():
    text = world_text(resolve_text(CLASHES).world())
    assert "use x:clash/a@1.0.0.{point as a-point" in text
    assert "use x:clash/b@1.0.0.{point as right};" in text


def test_a_type_without_a_name_is_refused():
    nameless = RecordType((Field("x", Primitive.U8),))
    function = Function("f", FunctionType((Parameter("r", nameless),)))
    with pytest.raises(WitError, match="a record without a declared name"):
        world_text(World(export_functions=(function,)))
