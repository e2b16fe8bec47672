"""The guests of the project, from every toolchain at hand, run as by wasmtime's component API.

Results, output, traps, and each call of the host with its arguments, in order. Then once more over
wasmtime's own WASI, which the guests were made for and which this project has no hand in.
"""

import asyncio

import pytest
import recorded_wasi
import wasmtime
from component_oracle import from_oracle, tagged_variants, to_oracle
from wasmtime import component as oracle

from actors.engine.errors import GuestTrap
from actors.engine.port import Limits
from tests.guests.build import GUESTS, OPTIONAL_GUESTS, build, unavailable
from tests.support.compiler import Compiler

pytestmark = pytest.mark.timeout(600)

TRAP = "trap"
RANDOM = {"rolled"}
ITEMS = [
    {"name": "tea \u2615", "quantity": 3, "price": 2.5},
    {"name": "", "quantity": 0, "price": -1e9},
]
SHORT = [{"name": "tea \u2615", "quantity": 3}, {"name": "", "quantity": 0}]

MANY = ("many", ITEMS)
TONGUE = [
    ("add", 5), ("add", 6), ("get",), ("describe", ITEMS), ("describe", []), ("turn", MANY),
    ("turn", ("nothing", None)), ("turn", ("circle", 1.5)), ("turn", ("text", "\u2615")),
    ("say", "line \u00e9\U0001f600"), ("say", ""), ("fail",),
]  # fmt: skip
# Python, C and text, then what toolchains that may be missing make.
CALLS = {
    "counter": [
        ("add", 5), ("add", (1 << 63) + 1), ("get",), ("rolled",), ("describe", ITEMS),
        ("describe", []), ("say", "line \u00e9\U0001f600"), ("grow", 100_000), ("fail",),
    ],
    "load": [("add", 5), ("add", (1 << 63) + 1), ("get",), ("rolled",), ("fail",)],
    "tiny": [("add", 5), ("add", 7), ("get",), ("fail",)],
    "js": [("add", 5), ("add", 6), ("describe", SHORT), ("describe", [])],
    "c": TONGUE,
    "zig": TONGUE,
    "rust": TONGUE,
    "quick": [each for each in TONGUE if each[0] != "say"],
    "go": [each for each in TONGUE if each[0] in {"add", "get", "say", "fail"}],
}  # fmt: skip


def guest(name):
    if reason := unavailable(name):
        pytest.skip(f"{name}: {reason}")
    return build(name).read_bytes()


@pytest.fixture(scope="module")
def compiler():
    return Compiler()


def functions_of(component):
    return {
        each.name: (interface.name, each)
        for interface in component.world.export_interfaces
        for each in interface.functions
    }


async def ours(engine, data, calls, world):
    component = await engine.load(data)
    functions = functions_of(component)
    instance = await component.link(recorded_wasi.Resolver()).instantiate(world, Limits())
    results = []
    try:
        for name, *arguments in calls:
            world.calls.append((name, arguments))
            results.append(await instance.call(functions[name][1], arguments))
    except GuestTrap:
        results.append(TRAP)
    finally:
        instance.close()
    return results, component.world.import_interfaces, functions


class Theirs:
    """One guest under wasmtime."""

    def __init__(self, compiler, name):
        self.engine = compiler.engine
        self.component = compiler.component(name)

    def over_own_wasi(self, calls, functions, output):
        linker, store = oracle.Linker(self.engine), wasmtime.Store(self.engine)
        linker.add_wasip2()
        linker.add_wasi_http()
        store.set_wasi_http()
        config = wasmtime.WasiConfig()
        config.stdout_file = str(output)
        store.set_wasi(config)
        results = self.run(linker, store, calls, functions)
        return results, output.read_bytes() if output.exists() else b""

    def over_recorded(self, calls, functions, imports, world):
        linker, store = oracle.Linker(self.engine), wasmtime.Store(self.engine)
        recorded_wasi.define(linker, store, imports, world)
        return self.run(linker, store, calls, functions, world)

    def run(self, linker, store, calls, functions, world=None):
        component, results = self.component, []
        with tagged_variants():
            instance = linker.instantiate(store, component)
            for name, *arguments in calls:
                if world is not None:
                    world.calls.append((name, arguments))
                interface, function = functions[name]
                index = component.get_export_index(name, component.get_export_index(interface))
                given = [
                    to_oracle(parameter.type, each)
                    for parameter, each in zip(function.type.parameters, arguments, strict=True)
                ]
                try:
                    result = instance.get_func(store, index)(store, *given)
                except (wasmtime.WasmtimeError, wasmtime.Trap):
                    results.append(TRAP)
                    break
                type_ = function.type.result
                results.append(None if type_ is None else from_oracle(type_, result))
        return results


@pytest.mark.parametrize("name", CALLS)
def test_guests_run_as_with_the_oracle(engine, compiler, tmp_path, name):
    assert name in GUESTS or name in OPTIONAL_GUESTS
    data, calls = guest(name), CALLS[name]
    here, there = recorded_wasi.World(), recorded_wasi.World()
    results, imports, functions = asyncio.run(ours(engine, data, calls, here))
    theirs = Theirs(compiler, name)
    assert results == theirs.over_recorded(calls, functions, imports, there)
    assert here.calls == there.calls
    assert here.output == there.output
    assert len(results) == len(calls)
    printed = bytes(here.output[recorded_wasi.OUT])
    expected, output = theirs.over_own_wasi(calls, functions, tmp_path / "out")
    # The random numbers of guests that ask for some differ there.
    alike = [index for index, (called, *_) in enumerate(calls) if called not in RANDOM]
    assert [results[index] for index in alike] == [expected[index] for index in alike]
    assert printed == output
