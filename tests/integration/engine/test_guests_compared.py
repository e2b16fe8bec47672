"""The guests of the project, from every toolchain at hand, answer and print as by wasmtime."""

import asyncio

import pytest
import wasmtime
from component_oracle import from_oracle, tagged_variants, to_oracle
from small_wasi import Host, World
from wasmtime import component as oracle

from actors.engine.errors import GuestTrap
from actors.engine.port import HostCall, Limits
from tests.guests.build import GUESTS, OPTIONAL_GUESTS, build
from tests.guests.node_tools import missing

pytestmark = pytest.mark.timeout(600)

TRAP = "trap"
ITEMS = [
    {"name": "tea \u2615", "quantity": 3, "price": 2.5},
    {"name": "", "quantity": 0, "price": -1e9},
]
SHORT = [{"name": "tea \u2615", "quantity": 3}, {"name": "", "quantity": 0}]

# Python, C and text, then JavaScript where node is.
CALLS = {
    "counter": [
        ("add", 5), ("add", (1 << 63) + 1), ("get",), ("rolled",), ("describe", ITEMS),
        ("describe", []), ("say", "line \u00e9\U0001f600"), ("grow", 100_000), ("fail",),
    ],
    "load": [("add", 5), ("add", (1 << 63) + 1), ("get",), ("rolled",), ("fail",)],
    "tiny": [("add", 5), ("add", 7), ("get",), ("fail",)],
    "js": [("add", 5), ("add", 6), ("describe", SHORT), ("describe", [])],
}  # fmt: skip


class Filled:
    """The small host, and an error for whatever it does not have."""

    def __init__(self):
        self.small = Host()

    def function(self, interface, name, type_):
        def missing(world, *_arguments):
            raise NotImplementedError(f"{interface}#{name}")

        return self.small.function(interface, name, type_) or HostCall(missing)

    def drop(self, resource):
        return lambda world, dropped: None


def guest(name):
    if name in OPTIONAL_GUESTS and (reason := missing()):
        pytest.skip(f"{name}: {reason}")
    return build(name).read_bytes()


def functions_of(component):
    return {
        each.name: (interface.name, each)
        for interface in component.world.export_interfaces
        for each in interface.functions
    }


async def ours(engine, data, calls):
    component = await engine.load(data)
    functions = functions_of(component)
    world = World()
    instance = await component.link(Filled()).instantiate(world, Limits())
    results = []
    try:
        for name, *arguments in calls:
            results.append(await instance.call(functions[name][1], arguments))
    except GuestTrap:
        results.append(TRAP)
    finally:
        instance.close()
    return results, bytes(world.output[1]), functions


def theirs(data, calls, functions, output):
    engine = wasmtime.Engine()
    component = oracle.Component(engine, data)
    linker = oracle.Linker(engine)
    linker.add_wasip2()
    linker.add_wasi_http()
    store = wasmtime.Store(engine)
    store.set_wasi_http()
    config = wasmtime.WasiConfig()
    config.stdout_file = str(output)
    store.set_wasi(config)
    instance = linker.instantiate(store, component)
    results = []
    with tagged_variants():
        for name, *arguments in calls:
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
    return results, output.read_bytes() if output.exists() else b""


@pytest.mark.parametrize("name", CALLS)
def test_guests_answer_and_print_as_with_the_oracle(engine, tmp_path, name):
    assert name in GUESTS or name in OPTIONAL_GUESTS
    data, calls = guest(name), CALLS[name]
    results, printed, functions = asyncio.run(ours(engine, data, calls))
    assert (results, printed) == theirs(data, calls, functions, tmp_path / "out")
    assert len(results) == len(calls)
