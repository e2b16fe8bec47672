"""Values go through bindings for C as they came: in as parameters, out as results, of any type."""

import asyncio
import subprocess
import sys

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from random_types import types, values
from small_wasi import Host
from small_wasi import World as Outside

from actors.engine.engine import WasmtimeEngine
from actors.engine.port import Limits
from wit.binary.writer import componentize
from wit.bindings.c import c_bindings
from wit.bindings.c_header import prototype
from wit.bindings.c_names import Names, identifier
from wit.type_map import map_types
from wit.type_walk import walk
from wit.types import (
    EnumType,
    FlagsType,
    FunctionType,
    Parameter,
    RecordType,
    TypeName,
    VariantType,
)
from wit.world import Function, Interface, NamedType, World

API = "test:echo/api"
FLAGS = (
    *("--target=wasm32-freestanding", "-std=c11", "-Os", "-nostdlib", "-Wall"),
    *("-Werror", "-s", "-Wl,--no-entry"),
)


NAMED = RecordType | VariantType | EnumType | FlagsType


def named(type_, count):
    """The type with a name for each part that needs one."""

    def change(part):
        if isinstance(part, NAMED):
            count[0] += 1
            return replace(part, name=TypeName(f"t{count[0]}", API))
        return part

    return map_types(type_, change)


def echoes(chosen):
    """A world with a function for each type, which returns its first parameter."""
    count = [0]
    functions = []
    for at, several in enumerate(chosen):
        parts = [named(each, count) for each in several]
        parameters = tuple(Parameter(f"p{i}", part) for i, part in enumerate(parts))
        functions.append(Function(f"echo{at}", FunctionType(parameters, parts[0]), API))
    declared = {
        part.name.name: part
        for function in functions
        for parameter in function.type.parameters
        for part in walk(parameter.type)
        if isinstance(part, NAMED)
    }
    types_ = tuple(NamedType(name, part) for name, part in declared.items())
    return World(export_interfaces=(Interface(API, tuple(functions), types_),))


def compiled(world, folder):
    bindings, names = c_bindings(world, "echo"), Names(world, "echo")
    lines = ['#include "echo.h"']
    for function in world.export_interfaces[0].functions:
        first = identifier(function.type.parameters[0].name)
        lines.append(f"{prototype(function, names, exported=True)} {{ return {first}; }}")
    (folder / "echo.h").write_text(bindings.header)
    (folder / "echo.c").write_text(bindings.source)
    (folder / "main.c").write_text("\n".join(lines))
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "main.c", "echo.c", "-o", "out.wasm"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return componentize((folder / "out.wasm").read_bytes(), world)


async def check(engine, data, world, cases):
    component = await engine.load(data)
    instance = await component.link(Host()).instantiate(Outside(), Limits())
    functions = {each.name: each for each in component.world.export_interfaces[0].functions}
    try:
        for name, arguments in cases:
            assert await instance.call(functions[name], list(arguments)) == arguments[0], name
    finally:
        instance.close()


@settings(
    max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_values_of_any_type_come_back(cache_directory, tmp_path_factory, data):
    chosen = data.draw(st.lists(st.lists(types, min_size=1, max_size=3), min_size=25, max_size=25))
    world = echoes(chosen)
    cases = [
        (function.name, data.draw(st.tuples(*[values(p.type) for p in function.type.parameters])))
        for function in world.export_interfaces[0].functions
        for _ in range(4)
    ]
    component = compiled(world, tmp_path_factory.mktemp("echo"))
    engine = WasmtimeEngine(cache_directory)
    try:
        asyncio.run(check(engine, component, world, cases))
    finally:
        engine.close()
