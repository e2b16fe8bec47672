"""Tiny components written in the text format, and a host made of two dictionaries."""

import wasmtime

from actors.engine.port import HostCall, Limits

# A bump allocator beside the guest's own module, and what most canonical options need.
MEMORY = """
  (core module $mem
    (memory (export "m") 2)
    (global $free (mut i32) (i32.const 65536))
    (func (export "r") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.sub (local.get 2) (i32.const 1)))
                              (i32.sub (i32.const 0) (local.get 2))))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $mem (instantiate $mem))
"""
OPTIONS = '(memory (core memory $mem "m")) (realloc (core func $mem "r"))'


def component(text):
    return bytes(wasmtime.wat2wasm(f"(component {text})"))


class Host:
    """`plain` and `waiting` map names of imports to functions; `drops` maps names of resources."""

    def __init__(self, plain=None, waiting=None, drops=None):
        self.plain, self.waiting, self.drops = plain or {}, waiting or {}, drops or {}
        self.types = {}

    def function(self, interface, name, type_):
        key = name if interface is None else f"{interface}#{name}"
        self.types[key] = type_
        if key in self.waiting:
            return HostCall(self.waiting[key], blocking=True)
        return HostCall(self.plain[key]) if key in self.plain else None

    def drop(self, resource):
        return self.drops.get(resource.name)


class Guest:
    """An instance with its exports by name."""

    def __init__(self, component, instance):
        self.instance = instance
        self.functions = {each.name: each for each in component.world.export_functions}
        for interface in component.world.export_interfaces:
            self.functions |= {each.name: each for each in interface.functions}

    async def call(self, name, *arguments):
        return await self.instance.call(self.functions[name], arguments)

    def close(self):
        self.instance.close()


async def new_guest(engine, text, host=None, *, data=None, limits=None):
    loaded = await engine.load(component(text))
    program = loaded.link(host or Host())
    return Guest(loaded, await program.instantiate(data, limits or Limits()))
