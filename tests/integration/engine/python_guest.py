"""Builds the Python guest of these tests once per machine, by content."""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

WIT = """\
package test:engine;

interface store {
  resource entry { constructor(text: string); text: func() -> string; }
}

interface api {
  record item { name: string, qty: u32, price: f64 }
  greet: func(name: string) -> string;
  total: func(items: list<item>) -> result<f64, string>;
  roll: func(count: u32) -> list<u64>;
  now: func() -> tuple<u64, f64>;
  nap: func(seconds: f64) -> u64;
  remember: func(text: string) -> u32;
  fail: func();
  spin: func();
  echo: func(data: list<u8>) -> list<u8>;
}

world guest { import store; export api; }
"""

APP = """\
import random
import sys
import time
import uuid

from wit_world import exports
from componentize_py_types import Err
from wit_world.imports import store

kept = []


class Api(exports.Api):
    def greet(self, name):
        print(f"hello {name}")
        print("to stderr", file=sys.stderr)
        return f"hello {name} {uuid.uuid4()}"

    def total(self, items):
        if not items:
            raise Err("no items")
        return sum(item.qty * item.price for item in items)

    def roll(self, count):
        return [random.getrandbits(64) for _ in range(count)]

    def now(self):
        return time.monotonic_ns(), time.time()

    def nap(self, seconds):
        before = time.monotonic_ns()
        time.sleep(seconds)
        return time.monotonic_ns() - before

    def remember(self, text):
        with store.Entry(text) as entry:
            kept.append(entry.text())
        return len(kept)

    def fail(self):
        raise RuntimeError("as asked")

    def spin(self):
        while True:
            pass

    def echo(self, data):
        return data
"""


def python_guest() -> bytes:
    """Return the component."""
    key = hashlib.sha256(f"{WIT}{APP}{sys.version}".encode()).hexdigest()[:16]
    cache = Path(tempfile.gettempdir()) / f"shem-test-guests-{os.getuid()}"
    cache.mkdir(mode=0o700, exist_ok=True)
    path = cache / f"engine-{key}.wasm"
    if not path.exists():
        with tempfile.TemporaryDirectory() as directory:
            _build(Path(directory), path)
    return path.read_bytes()


def _build(directory: Path, path: Path) -> None:
    (directory / "wit").mkdir()
    (directory / "wit" / "world.wit").write_text(WIT)
    (directory / "app.py").write_text(APP)
    tool = Path(sys.executable).parent / "componentize-py"
    out = directory / "out.wasm"
    subprocess.run(
        [tool, "-d", "wit", "-w", "guest", "componentize", "-p", ".", "app", "-o", out],
        cwd=directory,
        check=True,
        capture_output=True,
        timeout=300,
    )
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_bytes(out.read_bytes())
    partial.replace(path)
