"""How fast WIT, components and values are read and written.

    python -m benchmarks.wit_speed

Budgets: the WASI packages parsed and resolved by a fresh process in 300 ms, imports included; the
world of an 18 MB component in 200 ms. The component is the Python guest of the tests.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.guests.build import build
from wit.component import describe
from wit.json_values import codec_for
from wit.packed import packed_codec_for
from wit.text.resolver import resolve_text
from wit.types import ListType
from wit.wave import bind_arguments, format_value, parse_call, parse_value
from wit.wit_value import from_wit_value, to_wit_value

COLD_MS_MAX = 300
DESCRIBE_MS_MAX = 200
RECORDS = 10_000
REPEATS = 5
ROOT = Path(__file__).parent.parent

# The interpreter's own start does not count: it is the same whatever it runs.
COLD = """
import time
start = time.process_time()
from pathlib import Path
from wit.text.parser import parse
from wit.packed import packed_codec_for
from wit.text.resolver import resolve
files = sorted(Path("wit/packages").rglob("*.wit"))
resolve([[parse(file.read_text(encoding="utf-8"), file.name)] for file in files])
print(time.process_time() - start)
"""
WIT = """
package demo:shop;
interface api {
  record item { name: string, qty: u32, price: f64, tags: list<string>, note: option<string> }
  total: func(items: list<item>) -> f64;
  add: func(value: u64) -> u64;
}
world shop { export api; }
"""


def best_s(task: Callable[[], object]) -> float:
    """Return the shortest processor time of some repeats: neighbours do not count."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        task()
        times.append(time.process_time() - start)
    return min(times)


def cold_ms() -> float:
    runs = (
        subprocess.run(
            [sys.executable, "-c", COLD], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(REPEATS)
    )
    return min(map(float, runs)) * 1e3


def line(name: str, value: float, unit: str, note: str) -> None:
    sys.stdout.write(f"{name:<22}{value:9.2f} {unit}   {note}\n")


def main() -> int:
    """Print the figures; fail if one of the two budgets is missed."""
    cold = cold_ms()
    line("cold WASI", cold, "ms", f"budget {COLD_MS_MAX} ms, imports included")
    data = build("counter").read_bytes()
    described = best_s(lambda: describe(data)) * 1e3
    line("describe", described, "ms", f"{len(data) >> 20} MiB, budget {DESCRIBE_MS_MAX} ms")
    values()
    calls()
    return 0 if cold <= COLD_MS_MAX and described <= DESCRIBE_MS_MAX else 1


def values() -> None:
    world = resolve_text(WIT).world()
    assert world is not None
    type_ = world.export_interfaces[0].functions[0].type.parameters[0].type
    assert isinstance(type_, ListType)
    items = [
        {"name": f"item {n}", "qty": n, "price": n / 4, "tags": ["a", "b"], "note": ("x",)}
        for n in range(RECORDS)
    ]
    codec = codec_for(type_)
    wave, text, nodes = format_value(items, type_), codec.encode(items), to_wit_value(items, type_)
    assert json.loads(text)[1]["note"] == "x"
    note = f"{RECORDS} records of five fields"
    line("WAVE parse", best_s(lambda: parse_value(wave, type_)) * 1e3, "ms", note)
    line("WAVE print", best_s(lambda: format_value(items, type_)) * 1e3, "ms", note)
    line("JSON decode", best_s(lambda: codec.decode(text)) * 1e3, "ms", note)
    line("JSON encode", best_s(lambda: codec.encode(items)) * 1e3, "ms", note)
    packed = packed_codec_for(type_)
    data = packed.pack(items)
    assert packed.unpack(data) == items
    line("packed read", best_s(lambda: packed.unpack(data)) * 1e3, "ms", f"{len(data):,} bytes")
    line("packed write", best_s(lambda: packed.pack(items)) * 1e3, "ms", f"JSON: {len(text):,}")
    line("nodes read", best_s(lambda: from_wit_value(nodes, type_)) * 1e3, "ms", note)
    line("nodes write", best_s(lambda: to_wit_value(items, type_)) * 1e3, "ms", note)


def calls() -> None:
    world = resolve_text(WIT).world()
    assert world is not None
    add = world.export_interfaces[0].functions[1].type
    count = 2_000

    def bind() -> None:
        for _ in range(count):
            bind_arguments(parse_call("add(5)"), add)

    line("WAVE call", best_s(bind) / count * 1e6, "µs", "parse and bind `add(5)`")


if __name__ == "__main__":
    sys.exit(main())
