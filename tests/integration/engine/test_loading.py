"""From bytes to a program: what is refused, what is cached."""

import asyncio
import contextlib
import threading

import pytest
import wasmtime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_composition import COMPOSED
from test_fibers import WAITING
from test_resources import OF_THE_GUEST, OF_THE_HOST
from wat_guests import MEMORY, Host, component, new_guest

from actors.engine.engine import WasmtimeEngine
from actors.engine.errors import CapacityError, ComponentError, EngineError, MissingImportsError
from actors.engine.module_cache import ModuleCache
from actors.engine.port import Limits


def run(scenario):
    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "WebAssembly"),
        (b"\0asm\x01\0\0\0", "core module"),
        (b"\0asm\x0d\0\x01\0\x63\x01\x00", "section"),
        (b"hello world", "WebAssembly"),
    ],
)
def test_what_is_no_component_is_refused(engine, data, message):
    async def scenario():
        with pytest.raises(ComponentError, match=message):
            await engine.load(data)

    run(scenario)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('(import "wasi:cli/stdout@0.3.0" (instance))', "WASI 0.2"),
        ("(core func $yield (canon thread.yield))", "WASI 0.2"),
        ("(type error-context)", "error-context.*WASI 0.2"),
        ("(type (list error-context))", "error-context.*WASI 0.2"),
        ('(import "m" (core module))', "comes from a host"),
        (
            '(import "f" (func $f async (result u32))) (core func (canon lower (func $f)))',
            "async",
        ),
    ],
)
def test_what_the_engine_refuses_says_what_to_do(engine, text, message):
    async def scenario():
        with pytest.raises(ComponentError, match=message):
            await engine.load(component(text))

    run(scenario)


def test_async_built_ins_are_refused(engine):
    async def scenario():
        text = "(type $f (future u32)) (core func (canon future.new $f))"
        with pytest.raises(ComponentError, match=r"future.new.*not supported"):
            await engine.load(component(text))

    run(scenario)


def test_an_invalid_core_module_that_nothing_instantiates_is_refused(engine):
    async def scenario():
        good = bytearray(
            component("(component (core module (func (result i32) (i32.const 305419896))))")
        )
        at = good.index(bytes([0x41, 0xF8, 0xAC, 0xD1, 0x91, 0x01]))
        good[at : at + 6] = b"\x01" * 6
        with pytest.raises(ComponentError, match=r"core module .* is invalid.*at byte 0x"):
            await engine.load(bytes(good))

    run(scenario)


def test_an_invalid_core_module_is_refused(engine):
    async def scenario():
        # Valid sections, but a function body that leaves nothing for its result.
        good = bytearray(component("(core module (func (result i32) (i32.const 305419896)))"))
        at = good.index(bytes([0x41, 0xF8, 0xAC, 0xD1, 0x91, 0x01]))
        good[at : at + 6] = b"\x01" * 6
        with pytest.raises(ComponentError, match="core module of the component is invalid"):
            await engine.load(bytes(good))

    run(scenario)


MUTATED = [component(text) for text in (WAITING, OF_THE_HOST, OF_THE_GUEST, COMPOSED)]


class Anything:
    def function(self, interface, name, type_):
        from actors.engine.port import HostCall

        return HostCall(lambda data, *arguments: None)

    def drop(self, resource):
        return None


@pytest.fixture(scope="module")
def module_engine():
    engine = WasmtimeEngine()
    yield engine
    engine.close()


@given(data=st.data())
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_damaged_components_end_in_errors_of_the_engine(module_engine, data):
    original = data.draw(st.sampled_from(MUTATED))
    damaged = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(8, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del damaged[data.draw(st.integers(8, len(damaged) - 1)) :]

    async def scenario():
        loaded = await module_engine.load(bytes(damaged))
        instance = await loaded.link(Anything()).instantiate(None, Limits(memory_bytes_max=1 << 20))
        instance.close()

    with contextlib.suppress(EngineError):
        run(scenario)
    assert module_engine.live_count == 0


def test_progress_counts_core_modules(engine):
    async def scenario():
        seen = []
        await engine.load(component(WAITING), progress=lambda *step: seen.append(step))
        await asyncio.sleep(0)
        assert seen[0] == (0, 2)
        assert seen[-1] == (2, 2)

    run(scenario)


def test_compiled_modules_are_shared_by_content_and_kept_on_disk(tmp_path):
    def engine_with_cache():
        return WasmtimeEngine(tmp_path)

    async def scenario(engine):
        await engine.load(component(WAITING))
        return engine._machine.modules.compiled_count

    first = engine_with_cache()
    assert run(lambda: scenario(first)) == 2
    assert run(lambda: scenario(first)) == 2
    first.close()
    second = engine_with_cache()
    assert run(lambda: scenario(second)) == 0
    second.close()
    assert {path.suffix for path in tmp_path.iterdir()} == {".cwasm", ".plan"}


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:1000], lambda data: b"x" * 99]
)
def test_a_damaged_cache_file_is_compiled_again(tmp_path, damage):
    async def scenario():
        engine = WasmtimeEngine(tmp_path)
        await engine.load(component(WAITING))
        engine.close()
        for path in tmp_path.iterdir():
            path.write_bytes(damage(path.read_bytes()))
        engine = WasmtimeEngine(tmp_path)
        await engine.load(component(WAITING))
        assert engine._machine.modules.compiled_count == 2
        engine.close()
        engine = WasmtimeEngine(tmp_path)
        await engine.load(component(WAITING))
        assert engine._machine.modules.compiled_count == 0
        engine.close()

    run(scenario)


def test_equal_modules_compile_once_even_at_the_same_time(engine):
    cache = ModuleCache(engine._machine._engine, None)
    data = bytes(wasmtime.wat2wasm('(module (func (export "only-here-7431")))'))
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.get("key", lambda: data)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache.compiled_count == 1
    assert len({id(module) for module in found}) == 1


def test_missing_imports_are_all_named(engine):
    async def scenario():
        loaded = await engine.load(component(WAITING))
        with pytest.raises(MissingImportsError) as caught:
            loaded.link(Host())
        assert caught.value.missing == ("wait", "note")

    run(scenario)


@pytest.mark.parametrize(
    ("bound", "value", "told"),
    [("_maps_max", 10, "vm.max_map_count"), ("_memories_max", 2, "ulimit -v")],
)
def test_more_instances_than_the_process_can_hold_are_refused(engine, bound, value, told):
    async def scenario():
        machine = engine._machine
        setattr(machine, bound, value)
        guests = [await new_guest(engine, MEMORY) for _ in range(2)]
        with pytest.raises(CapacityError, match=f"2 instances are live.*{told}"):
            await new_guest(engine, MEMORY)
        guests.pop().close()
        guests.append(await new_guest(engine, MEMORY))
        for guest in guests:
            guest.close()
            guest.close()
        assert machine._memories == machine._stores == 0

    run(scenario)


def test_equal_bytes_have_equal_digests(engine):
    async def scenario():
        one, two = [await engine.load(component(MEMORY)) for _ in range(2)]
        other = await engine.load(component(WAITING))
        assert one.digest == two.digest != other.digest
        assert [each.name for each in other.world.export_functions] == ["twice", "spin", "count"]

    run(scenario)
