"""Calls into and out of guests, and instantiation, next to wasmtime's own component API.

Run: python -m benchmarks.engine_calls

Numbers are CPU microseconds, medians of several rounds. Machines differ and are noisy: read the
ratios, which compare both engines in the same run.
"""

import asyncio
import statistics
import time

import wasmtime
from wasmtime import component as stock

from actors.engine.engine import WasmtimeEngine
from actors.engine.port import HostCall, Limits

ROUNDS = 5

ALLOCATOR = """
  (core module $mem
    (memory (export "m") 80)
    (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 65536)))
  (core instance $mem (instantiate $mem))
"""
OPTIONS = '(memory (core memory $mem "m")) (realloc (core func $mem "r"))'
ITEM = '(type $i (record (field "a" u32) (field "b" u32) (field "c" string)))'

CALLS = f"""(component
  {ALLOCATOR}
  (type $item' (record (field "a" u32) (field "b" u32) (field "c" string)))
  (export $item "item" (type $item'))
  (core module $main
    (import "mem" "m" (memory 1))
    (func (export "nop"))
    (func (export "u64") (param i64) (result i64) (local.get 0))
    (func (export "text") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1))
      (i32.const 16))
    (func (export "item") (param i32 i32 i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1))
      (i32.store (i32.const 24) (local.get 2)) (i32.store (i32.const 28) (local.get 3))
      (i32.const 16)))
  (core instance $main (instantiate $main (with "mem" (instance $mem))))
  (func (export "nop") (canon lift (core func $main "nop")))
  (func (export "u64") (param "x" u64) (result u64) (canon lift (core func $main "u64")))
  (func (export "text") (param "x" string) (result string)
    (canon lift (core func $main "text") {OPTIONS}))
  (func (export "bytes") (param "x" (list u8)) (result (list u8))
    (canon lift (core func $main "text") {OPTIONS}))
  (func (export "numbers") (param "x" (list u64)) (result (list u64))
    (canon lift (core func $main "text") {OPTIONS}))
  (func (export "record") (param "x" $item) (result $item)
    (canon lift (core func $main "item") {OPTIONS})))"""

IMPORT_COUNT = 1000
IMPORTS = f"""(component
  (import "nop" (func $nop))
  (import "u64" (func $u64 (param "x" u64) (result u64)))
  (import "text" (func $text (param "x" string) (result string)))
  (import "wait" (func $wait (param "x" u64) (result u64)))
  {ALLOCATOR}
  (core func $nop (canon lower (func $nop)))
  (core func $u64 (canon lower (func $u64)))
  (core func $wait (canon lower (func $wait)))
  (core func $text (canon lower (func $text) {OPTIONS}))
  (core module $main
    (import "h" "nop" (func $nop))
    (import "h" "u64" (func $u64 (param i64) (result i64)))
    (import "h" "wait" (func $wait (param i64) (result i64)))
    (import "h" "text" (func $text (param i32 i32 i32)))
    (import "mem" "m" (memory 1))
    (data (i32.const 1024) "twenty characters...")
    (func (export "nop") (local $n i32) (local.set $n (i32.const {IMPORT_COUNT}))
      (loop $l (call $nop) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "u64") (local $n i32) (local.set $n (i32.const {IMPORT_COUNT}))
      (loop $l (drop (call $u64 (i64.const 7)))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "wait") (local $n i32) (local.set $n (i32.const {IMPORT_COUNT}))
      (loop $l (drop (call $wait (i64.const 7)))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func (export "text") (local $n i32) (local.set $n (i32.const {IMPORT_COUNT}))
      (loop $l (call $text (i32.const 1024) (i32.const 20) (i32.const 16))
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
  (core instance $main (instantiate $main (with "mem" (instance $mem)) (with "h" (instance
    (export "nop" (func $nop)) (export "u64" (func $u64)) (export "text" (func $text))
    (export "wait" (func $wait))))))
  (func (export "nop") (canon lift (core func $main "nop")))
  (func (export "u64") (canon lift (core func $main "u64")))
  (func (export "wait") (canon lift (core func $main "wait")))
  (func (export "text") (canon lift (core func $main "text"))))"""


class Host:
    """Gives back what it gets. `wait` suspends if `is_waiting`."""

    is_waiting = True

    def function(self, _interface, name, _type):
        if name == "wait":
            return HostCall(self._wait, blocking=True)
        return HostCall((lambda _: None) if name == "nop" else (lambda _, x: x))

    async def _wait(self, _data, x):
        if self.is_waiting:
            await asyncio.sleep(0)
        return x

    def drop(self, _resource):
        return None


HOP_COUNT = 20_000
HOPS = f"""(component
  (component $Inner
    {ALLOCATOR}
    (core module $main (import "mem" "m" (memory 1))
      (func (export "nop")) (func (export "u64") (param i64) (result i64) (local.get 0))
      (func (export "text") (param i32 i32) (result i32)
        (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1))
        (i32.const 16)))
    (core instance $main (instantiate $main (with "mem" (instance $mem))))
    (func (export "nop") (canon lift (core func $main "nop")))
    (func (export "u64") (param "x" u64) (result u64) (canon lift (core func $main "u64")))
    (func (export "text") (param "x" string) (result string)
      (canon lift (core func $main "text") {OPTIONS})))
  (component $Outer
    (import "nop" (func $nop))
    (import "u64" (func $u64 (param "x" u64) (result u64)))
    (import "text" (func $text (param "x" string) (result string)))
    {ALLOCATOR}
    (core func $nop (canon lower (func $nop))) (core func $u64 (canon lower (func $u64)))
    (core func $text (canon lower (func $text) {OPTIONS}))
    (core module $main (import "mem" "m" (memory 1)) (import "h" "nop" (func $nop))
      (import "h" "u64" (func $u64 (param i64) (result i64)))
      (import "h" "text" (func $text (param i32 i32 i32)))
      (data (i32.const 32) "twenty characters...")
      (func (export "nop") (local $n i32) (local.set $n (i32.const {HOP_COUNT}))
        (loop $l (call $nop)
          (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
      (func (export "u64") (local $n i32) (local.set $n (i32.const {HOP_COUNT}))
        (loop $l (drop (call $u64 (i64.const 7)))
          (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
      (func (export "text") (local $n i32) (local.set $n (i32.const {HOP_COUNT}))
        (loop $l (call $text (i32.const 32) (i32.const 20) (i32.const 16))
          (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))
    (core instance $main (instantiate $main (with "mem" (instance $mem)) (with "h" (instance
      (export "nop" (func $nop)) (export "u64" (func $u64)) (export "text" (func $text))))))
    (func (export "nop") (canon lift (core func $main "nop")))
    (func (export "u64") (canon lift (core func $main "u64")))
    (func (export "text") (canon lift (core func $main "text"))))
  (instance $inner (instantiate $Inner))
  (instance $outer (instantiate $Outer (with "nop" (func $inner "nop"))
    (with "u64" (func $inner "u64")) (with "text" (func $inner "text"))))
  (export "nop" (func $outer "nop")) (export "u64" (func $outer "u64"))
  (export "text" (func $outer "text")))"""


class Item(stock.Record):
    def __init__(self, a, b, c):
        self.a, self.b, self.c = a, b, c


class Ours:
    def __init__(self, engine, component, instance):
        self.engine, self.component, self.instance = engine, component, instance
        self.functions = {each.name: each for each in component.world.export_functions}

    async def measure(self, name, arguments, count):
        function, call = self.functions[name], self.instance.call
        await call(function, arguments)
        times = []
        for _ in range(ROUNDS):
            start = time.process_time()
            for _ in range(count):
                await call(function, arguments)
            times.append((time.process_time() - start) / count * 1e6)
        return statistics.median(times)


async def ours(engine, text, host):
    component = await engine.load(bytes(wasmtime.wat2wasm(text)))
    return Ours(engine, component, await component.link(host).instantiate(None, Limits()))


class Stock:
    def __init__(self, text):
        config = wasmtime.Config()
        config.epoch_interruption = True
        self.engine = wasmtime.Engine(config)
        self.component = stock.Component(self.engine, wasmtime.wat2wasm(text))
        self.linker = stock.Linker(self.engine)
        if "wait" in text:
            with self.linker.root() as root:
                root.add_func("nop", lambda _: None)
                for name in ("u64", "text", "wait"):
                    root.add_func(name, lambda _, x: x)
        self.store = self.new_store()
        self.instance = self.linker.instantiate(self.store, self.component)

    def new_store(self):
        store = wasmtime.Store(self.engine)
        store.set_epoch_deadline(1 << 40)
        return store

    def measure(self, name, arguments, count):
        function = self.instance.get_func(self.store, name)
        function(self.store, *arguments)
        times = []
        for _ in range(ROUNDS):
            start = time.process_time()
            for _ in range(count):
                function(self.store, *arguments)
            times.append((time.process_time() - start) / count * 1e6)
        return statistics.median(times)


def row(name, mine, theirs=None):
    ratio = "" if theirs is None else f"{theirs:12.3f}{theirs / mine:10.1f}x"
    print(f"{name:34}{mine:12.3f}{ratio}", flush=True)


async def calls(engine):
    mine, theirs = await ours(engine, CALLS, Host()), Stock(CALLS)
    text = "twenty characters..."
    for label, name, count, argument, their_argument in [
        ("call nop", "nop", 3000, (), ()),
        ("call u64", "u64", 3000, (7,), (7,)),
        ("call string(20)", "text", 2000, (text,), (text,)),
        (
            "call record{u32, u32, string}",
            "record",
            1000,
            ({"a": 1, "b": 2, "c": text},),
            (Item(1, 2, text),),
        ),
        ("call list<u8> of 64 KiB", "bytes", 20, (bytes(1 << 16),), (bytes(1 << 16),)),
        ("call list<u64> of 1,000", "numbers", 50, (list(range(1000)),), (list(range(1000)),)),
    ]:
        row(
            label,
            await mine.measure(name, argument, count),
            theirs.measure(name, their_argument, max(count // 20, 2)),
        )
    row("call list<u8> of 1 MiB", await mine.measure("bytes", (bytes(1 << 20),), 50))
    mine.instance.close()


async def imports(engine):
    host = Host()
    mine, theirs = await ours(engine, IMPORTS, host), Stock(IMPORTS)
    for name in ("nop", "u64", "text"):
        row(
            f"import {name}",
            await mine.measure(name, (), 5) / IMPORT_COUNT,
            theirs.measure(name, (), 1) / IMPORT_COUNT,
        )
    row("blocking import that waits", await mine.measure("wait", (), 3) / IMPORT_COUNT)
    host.is_waiting = False
    row("blocking import that is ready", await mine.measure("wait", (), 3) / IMPORT_COUNT)
    mine.instance.close()


async def hops(engine):
    mine, theirs = await ours(engine, HOPS, Host()), Stock(HOPS)
    for name, label in (("nop", "nop"), ("u64", "u64"), ("text", "string(20)")):
        row(
            f"call between components, {label}",
            await mine.measure(name, (), 5) / HOP_COUNT,
            theirs.measure(name, (), 5) / HOP_COUNT,
        )
    mine.instance.close()


async def instantiation(engine):
    for label, text in (("instantiate, no imports", CALLS), ("instantiate, 4 imports", IMPORTS)):
        component = await engine.load(bytes(wasmtime.wat2wasm(text)))
        program, limits, theirs = component.link(Host()), Limits(), Stock(text)
        count = 300

        async def ours_once(program=program, limits=limits):
            (await program.instantiate(None, limits)).close()

        for _ in range(3):
            await ours_once()
        start = time.process_time()
        for _ in range(count):
            await ours_once()
        mine = (time.process_time() - start) / count * 1e6
        start = time.process_time()
        for _ in range(count):
            store = theirs.new_store()
            theirs.linker.instantiate(store, theirs.component)
            store.close()
        row(label, mine, (time.process_time() - start) / count * 1e6)


async def main():
    engine = WasmtimeEngine()
    print(f"{'':34}{'µs':>12}{'stock':>12}{'ratio':>11}")
    await calls(engine)
    await imports(engine)
    await hops(engine)
    await instantiation(engine)
    engine.close()


if __name__ == "__main__":
    asyncio.run(main())
