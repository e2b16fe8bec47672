"""Values of random types between two components, compared with wasmtime's own adapters."""

import asyncio

import pytest
from component_oracle import OracleInstance, tagged_variants, to_oracle
from composed import passing_flat, passing_memory
from hypothesis import assume, given
from test_oracle import PAD, NoImports, bounded, encodings, typed_values
from test_oracle import module_engine as module_engine
from test_oracle import oracle_engine as oracle_engine

from actors.engine.abi.signature import contains
from actors.engine.port import Limits
from wit.types import ListType


async def ours(engine, data, *arguments):
    component = await engine.load(data)
    instance = await component.link(NoImports()).instantiate(None, Limits())
    (interface,) = component.world.export_interfaces
    function = next(each for each in interface.functions if each.name == "pass")
    try:
        return await instance.call(function, arguments)
    finally:
        instance.close()


@given(typed=typed_values, inner=encodings, outer=encodings)
@bounded
@pytest.mark.timeout(600)
def test_values_pass_from_memory_to_memory(module_engine, typed, inner, outer):
    type_, value = typed
    data = passing_memory(type_, inner, outer)
    assert asyncio.run(ours(module_engine, data, value, PAD)) == (value, PAD)


@given(typed=typed_values)
@bounded
@pytest.mark.timeout(600)
def test_core_values_arrive_as_from_the_oracle(module_engine, oracle_engine, typed):
    type_, value = typed
    assume(not contains(type_, (ListType,)) and "string" not in repr(type_))
    data = passing_flat(type_)
    with tagged_variants():
        instance = OracleInstance(oracle_engine, data)
        index = instance.component.get_export_index(
            "pass", instance.component.get_export_index("out")
        )
        theirs = instance.instance.get_func(instance.store, index)(
            instance.store, to_oracle(type_, value)
        )
    assert asyncio.run(ours(module_engine, data, value)) == bytes(theirs)
