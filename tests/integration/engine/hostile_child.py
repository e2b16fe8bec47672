"""Runs all hostile components in this process, which must survive: one line of JSON for each.

Run: python hostile_child.py
"""

import asyncio
import json
import sys

import wasmtime
from hostile_cases import cases

from actors.engine.engine import WasmtimeEngine
from actors.engine.errors import EngineError
from actors.engine.port import HostCall, Limits
from wit.errors import ValueMismatchError

PATIENCE_S = 0.15
LIMITS = Limits(memory_bytes_max=1 << 22, table_elements_max=100_000)
HEALTHY = """(component
  (core module $m (func (export "f") (result i32) (i32.const 42)))
  (core instance $i (instantiate $m))
  (func (export "f") (result u32) (canon lift (core func $i "f"))))"""


class Host:
    def function(self, _interface, name, _type):
        async def wait(_data, number):
            await asyncio.sleep(0)
            return number

        if name == "wait":
            return HostCall(wait, blocking=True)
        return HostCall({"text": lambda _: "some text"}.get(name, lambda _, _value: None))

    def drop(self, _resource):
        return None


async def outcome(engine, text):
    """Say how a component ends: `ok`, `endless`, or the name of the error."""
    instance = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            loaded = await engine.load(bytes(wasmtime.wat2wasm(f"(component {text})")))
            instance = await loaded.link(Host()).instantiate(None, LIMITS)
            function = next(each for each in loaded.world.export_functions if each.name == "run")
            await instance.call(function, ())
    except TimeoutError:
        return "endless"
    except (EngineError, ValueMismatchError) as error:
        return type(error).__name__
    else:
        return "ok"
    finally:
        if instance is not None:
            instance.close()


async def main():
    engine = WasmtimeEngine()
    loaded = await engine.load(bytes(wasmtime.wat2wasm(HEALTHY)))
    neighbour = await loaded.link(Host()).instantiate(None, LIMITS)
    (function,) = loaded.world.export_functions
    for name, text, is_bad in cases():
        print(json.dumps({"name": name}), end=" ", flush=True)
        try:
            ending = await outcome(engine, text)
        except BaseException as error:  # noqa: BLE001 - what escapes is the finding
            ending = f"escaped: {type(error).__name__}: {error}"
        right = is_bad is None or (ending != "ok") == is_bad
        assert await neighbour.call(function, ()) == 42
        print(json.dumps({"ending": ending, "right": right}), flush=True)
    neighbour.close()
    assert engine.live_count == 0
    engine.close()
    print("survived")


if __name__ == "__main__":
    sys.path.insert(0, ".")
    asyncio.run(main())
