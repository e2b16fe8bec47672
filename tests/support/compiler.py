"""Test guests compiled by wasmtime, once for all test runs."""

import importlib.metadata
import os
from pathlib import Path

import wasmtime
from wasmtime.component import Component

from tests.guests.build import build

__all__ = ["Compiler"]


class Compiler:
    """Compiles each guest once, on disk too: CPython takes ten seconds and more."""

    def __init__(self) -> None:
        self.engine = wasmtime.Engine()
        self.version = importlib.metadata.version("wasmtime")
        self.components: dict[str, Component] = {}

    def component(self, name: str) -> Component:
        if name not in self.components:
            self.components[name] = self._load(build(name))
        return self.components[name]

    def _load(self, source: Path) -> Component:
        native = source.with_suffix(f".{self.version}.native")
        if native.exists():
            return Component.deserialize_file(self.engine, str(native))
        component = Component.from_file(self.engine, str(source))
        whole = native.with_suffix(f".{os.getpid()}")
        whole.write_bytes(component.serialize())
        whole.replace(native)
        return component
