"""Engines of one deployment compile once: code and plans travel through a shared store."""

import asyncio

import pytest
from test_composition import WAITING
from wat_guests import Host, component

from actors.engine.configuration import CODE_KEY
from actors.engine.engine import WasmtimeEngine
from actors.engine.port import Limits

TEXT = """
  (core module $m (func (export "f") (result i32) (i32.const 42)))
  (core instance $i (instantiate $m))
  (func (export "f") (result u32) (canon lift (core func $i "f")))
"""


class Store:
    def __init__(self):
        self.objects = {}
        self.asked = []

    async def get(self, name):
        self.asked.append(name)
        return self.objects.get(name)

    async def put(self, name, data):
        self.objects[name] = data


async def answer(engine, text=TEXT):
    loaded = await engine.load(component(text))
    instance = await loaded.link(Host()).instantiate(None, Limits())
    (function,) = loaded.world.export_functions
    try:
        return await instance.call(function, ())
    finally:
        instance.close()


def compiled(engine):
    return engine._machine.modules.compiled_count


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_second_engine_adopts_what_the_first_compiled(tmp_path, on_disk):
    async def scenario():
        store = Store()
        first = WasmtimeEngine(tmp_path / "a" if on_disk else None, store)
        assert await answer(first) == 42
        assert compiled(first) == 1
        assert sorted(name.partition("/")[0] for name in store.objects) == ["code", "plan"]
        assert all(CODE_KEY in name for name in store.objects)
        second = WasmtimeEngine(tmp_path / "b" if on_disk else None, store)
        assert await answer(second) == 42
        assert compiled(second) == 0
        first.close()
        second.close()
        if on_disk:
            # A restart needs the shared store no more.
            store.asked.clear()
            third = WasmtimeEngine(tmp_path / "b", store)
            assert await answer(third) == 42
            assert (compiled(third), store.asked) == (0, [])
            third.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("damage", ["flipped", "short", "empty", "of another kind"])
def test_damaged_objects_are_made_anew(tmp_path, damage):
    async def scenario():
        store = Store()
        first = WasmtimeEngine(None, store)
        await answer(first)
        first.close()
        for name, data in store.objects.items():
            changed = bytearray(data)
            changed[len(data) // 2] ^= 1
            store.objects[name] = {
                "flipped": bytes(changed),
                "short": data[:-1],
                "empty": b"",
                "of another kind": next(iter(store.objects.values())),
            }[damage]
        second = WasmtimeEngine(tmp_path, store)
        assert await answer(second) == 42
        assert compiled(second) <= 1
        second.close()

    asyncio.run(scenario())


def test_components_of_components_share_their_modules_too(tmp_path):
    async def scenario():
        store = Store()
        for name in ("a", "b"):
            engine = WasmtimeEngine(tmp_path / name, store)
            loaded = await engine.load(component(WAITING))
            assert compiled(engine) == (0 if name == "b" else 3)
            assert loaded.digest
            engine.close()

    asyncio.run(scenario())


def test_a_component_says_what_it_consists_of_and_shares():
    other = TEXT + '(func (export "g") (result u32) (canon lift (core func $i "f")))'

    async def scenario():
        engine = WasmtimeEngine()
        one = await engine.load(component(TEXT))
        assert one.code.shared_size == 0
        second = await engine.load(component(other))
        (module,) = one.code.modules
        assert module == second.code.modules[0]
        assert module.users == 2
        assert one.code.shared_size == one.code.code_size == module.code_size > module.size > 0
        big = await engine.load(component(WAITING))
        assert len(big.code.modules) == 3
        assert (big.code.memory_size, big.code.instances) == (2 << 16, 0)
        instance = await big.link(Host(waiting={"wait": None})).instantiate(None, Limits())
        assert (big.code.instances, big.code.instances_size) == (1, 2 << 16)
        instance.close()
        assert big.code.instances == 0
        engine.close()

    asyncio.run(scenario())


def test_an_engine_says_where_its_code_came_from(tmp_path):
    def told(engine):
        report = engine.report
        return report.compiled, report.read, report.adopted, report.reused, report.instances

    async def scenario():
        store = Store()
        first = WasmtimeEngine(tmp_path / "a", store)
        loaded = await first.load(component(TEXT))
        assert told(first) == (1, 0, 0, 0, 0)
        (module,) = loaded.code.modules
        assert first.report.code_size == module.code_size
        other = await first.load(component(TEXT + '(export "i" (core module $m))'))
        assert told(first) == (1, 0, 0, 1, 0)
        assert first.report.code_size == module.code_size
        instance = await other.link(Host()).instantiate(None, Limits())
        assert told(first) == (1, 0, 0, 1, 1)
        instance.close()
        again = WasmtimeEngine(tmp_path / "a", store)
        await answer(again)
        assert told(again) == (0, 1, 0, 0, 0)
        elsewhere = WasmtimeEngine(None, store)
        await answer(elsewhere)
        assert told(elsewhere) == (0, 0, 1, 0, 0)
        for engine in (first, again, elsewhere):
            engine.close()

    asyncio.run(scenario())
