"""Ten thousand values of random types: each engine reads what the other wrote."""

import asyncio
import os
import random

import pytest
import wasmtime
from component_oracle import from_oracle, tagged_variants, to_oracle
from seeded_values import random_type, random_value
from test_oracle import PAD, PADDING, NoImports, reader, writer
from wasmtime import component as oracle

from actors.engine.engine import WasmtimeEngine
from actors.engine.port import Limits
from wit.types import TupleType

SEED = int(os.environ.get("SHEM_ORACLE_SEED", "1"))
TYPES = 200
VALUES_PER_TYPE = 50
ENCODINGS = ("utf8", "utf16", "latin1+utf16")


class Theirs:
    """A component under wasmtime, with a new instance for each call."""

    def __init__(self, engine, data):
        self.engine = engine
        self.component = oracle.Component(engine, data)

    def call(self, name, *arguments):
        store = wasmtime.Store(self.engine)
        instance = oracle.Linker(self.engine).instantiate(store, self.component)
        return instance.get_func(store, name)(store, *arguments)


class Ours:
    """The same under the engine of this project."""

    def __init__(self, component):
        self.program = component.link(NoImports())
        self.functions = {each.name: each for each in component.world.export_functions}

    async def call(self, name, *arguments):
        instance = await self.program.instantiate(None, Limits())
        try:
            return await instance.call(self.functions[name], arguments)
        finally:
            instance.close()


async def compare(engine, oracle_engine, rng, type_, encoding):
    pair = TupleType((type_, PADDING))
    write, read = writer(type_, encoding), reader(type_, encoding)
    their_write, their_read = Theirs(oracle_engine, write), Theirs(oracle_engine, read)
    our_write, our_read = Ours(await engine.load(write)), Ours(await engine.load(read))
    for _ in range(VALUES_PER_TYPE):
        value = random_value(rng, type_)
        their_image = bytes(their_write.call("image", to_oracle(type_, value), PAD))
        our_image = await our_write.call("image", value, PAD)
        assert await our_read.call("value", their_image) == (value, PAD), (type_, value)
        theirs = their_read.call("value", our_image)
        assert from_oracle(pair, theirs) == (value, PAD), (type_, value)


@pytest.mark.timeout(900)
def test_each_engine_reads_ten_thousand_values_of_the_other():
    rng = random.Random(SEED)
    engine, oracle_engine = WasmtimeEngine(), wasmtime.Engine()
    try:
        with tagged_variants():
            for number in range(TYPES):
                type_ = random_type(rng)
                encoding = ENCODINGS[number % len(ENCODINGS)]
                asyncio.run(compare(engine, oracle_engine, rng, type_, encoding))
    finally:
        engine.close()
