"""Coverage-guided fuzzing of what reads, checks and plans components.

Run: python -m tests.fuzz.engine [--seed N] [--seconds S] [--oracle]

Inputs are mutated, as bytes and as sections, and kept when they reach lines that no input reached
before. A finding is an exception that is no `ComponentError`, an error without its offset, or an
input that takes longer than it may. With `--oracle` so is a component that is accepted here and
refused by wasmtime, or the other way round. Findings are written to files; exit status 1. What
wasmtime was asked last lies beside them, since it may abort the process.
"""

import argparse
import hashlib
import os
import random
import re
import sys
import time
from pathlib import Path

import wasmtime
from wasmtime import component as oracle

from actors.engine import engine as engine_module
from actors.engine.engine import prepare
from actors.engine.errors import ComponentError

ROOT = Path(__file__).resolve().parents[2]
GUESTS = ROOT / "tests" / "integration" / "engine"
TRACED = re.compile(r"/(?:wit/(?:binary/)?|actors/engine/(?:plan|validate|core|abi)/)\w+\.py$")
SLOW_S = 10.0
TOLD_S = 60.0
BYTES_MAX = 20_000
EXPECTED = re.compile(
    r"more than 32 flags|Fixed-length lists require|Maps require|from the root"
    r"|reexport of an imported"
    r"|is a core module, expected|root-level|core module of the component is invalid"
    # Of asynchronous components; refused here where something uses it.
    r"|requires the component model error-context feature"
    r"|of component-model async is not supported|futures, streams and error contexts are not"
    # A function type under a name, which wasmtime's validator takes and the rest of it does not.
    r"|unsupported type export"
    # An alias in a component type that nothing uses: forbidden, but wasmtime lets it be.
    r"|resources of the components around it by alias"
    # Types of the garbage-collection proposal, which no canonical definition can use.
    r"|core type code 0x[0-9a-f]+ is not supported"
)


class Coverage:
    """Lines that were reached in the traced files."""

    def __init__(self):
        self.seen = set()
        self.is_new = False

    def trace(self, frame, event, _argument):
        if event == "call":
            return self.lines if TRACED.search(frame.f_code.co_filename) else None
        return None

    def lines(self, frame, event, _argument):
        if event == "line":
            place = frame.f_code, frame.f_lineno
            if place not in self.seen:
                self.seen.add(place)
                self.is_new = True
        return self.lines


def corpus():
    """Return the components of the engine's tests as a start."""
    sys.path.insert(0, str(GUESTS))
    import test_composition
    import test_fibers
    import test_resources
    import verdict_cases

    texts = [test_composition.COMPOSED, test_composition.WAITING, test_fibers.WAITING]
    texts += [test_resources.OF_THE_HOST, test_resources.OF_THE_GUEST]
    for section in verdict_cases.SECTIONS.values():
        texts += list(section.values())[::3]
    return [bytes(wasmtime.wat2wasm(f"(component {text})")) for text in texts]


def leb(value):
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | 0x80 if value else low)
        if not value:
            return bytes(out)


def sections(data):
    """Split a component into (code, content), as far as it can be read."""
    found, at = [], 8
    while at < len(data):
        code, at, size, shift = data[at], at + 1, 0, 0
        while at < len(data):
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        found.append((code, data[at : at + size]))
        at += size
    return found


def joined(head, parts):
    return head + b"".join(bytes([code]) + leb(len(body)) + body for code, body in parts)


def mutated(data, others, choose):
    """Return a changed copy: bytes, runs of bytes, or whole sections."""
    out = bytearray(data)
    kind = choose.randrange(8)
    if kind >= 5:
        parts = sections(data)
        if parts:
            at = choose.randrange(len(parts))
            match kind:
                case 5:
                    del parts[at]
                case 6:
                    parts.insert(choose.randrange(len(parts) + 1), parts[at])
                case 7:
                    given = sections(choose.choice(others))
                    if given:
                        parts.insert(at, choose.choice(given))
        return joined(bytes(data[:8]), parts)
    for _ in range(choose.randint(1, 4)):
        at = choose.randrange(8, max(9, len(out)))
        match kind:
            case 0:
                out[at : at + 1] = bytes([choose.randrange(256)])
            case 1:
                out[at : at + 1] = bytes([choose.choice((0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x40))])
            case 2:
                del out[at : at + choose.randint(1, 8)]
            case 3:
                out[at:at] = out[at : at + choose.randint(1, 16)]
            case 4:
                # Inside a section the size stays right, so that the change is read at all.
                parts = sections(bytes(out))
                if parts:
                    index = choose.randrange(len(parts))
                    code, body = parts[index]
                    changed = bytearray(body)
                    if changed:
                        changed[choose.randrange(len(changed))] = choose.randrange(256)
                    parts[index] = (code, bytes(changed))
                    out = bytearray(joined(bytes(out[:8]), parts))
    return bytes(out)


class Fuzzer:
    """One run. `findings` maps what is wrong to the input that showed it."""

    def __init__(self, seed, *, with_oracle, out=None):
        self.out = out
        self.choose = random.Random(seed)
        self.coverage = Coverage()
        self.inputs = []
        self.findings = {}
        self.count = 0
        self.engine = wasmtime.Engine() if with_oracle else None
        self.compiler = engine_module.WasmtimeEngine() if with_oracle else None

    def __str__(self):
        return (
            f"{self.count} inputs, {len(self.inputs)} kept, {len(self.coverage.seen)} lines, "
            f"{len(self.findings)} findings, {time.process_time() / 60:.1f} minutes of processor"
        )

    def start(self, inputs):
        for data in inputs:
            self.run(data)
            self.inputs.append(data)

    def step(self):
        data = mutated(self.choose.choice(self.inputs), self.inputs, self.choose)
        if len(data) > BYTES_MAX:
            return
        self.run(data)
        if self.coverage.is_new:
            self.inputs.append(data)

    def run(self, data):
        self.count += 1
        self.coverage.is_new = False
        # Of the processor: a busy machine lets anything wait, and nothing here waits by itself.
        began = time.process_time()
        refusal = None
        sys.settrace(self.coverage.trace)
        try:
            prepare(data)
        except ComponentError as error:
            refusal = str(error)
        except BaseException as error:
            sys.settrace(None)
            if isinstance(error, KeyboardInterrupt):
                raise
            self.found(f"{type(error).__name__}: {error}", data)
            return
        finally:
            sys.settrace(None)
        if time.process_time() - began > SLOW_S:
            self.found(f"took longer than {SLOW_S} s of the processor", data)
        if refusal is not None and "(at byte 0x" not in refusal:
            self.found(f"no place in: {refusal}", data)
        if self.engine is not None:
            self.compare(data, refusal)

    def compare(self, data, refusal):
        theirs = None
        if refusal is not None and EXPECTED.search(refusal):
            # Above all not types of the garbage-collection proposal: wasmtime may abort over them.
            return
        if self.out is not None:
            self.out.mkdir(parents=True, exist_ok=True)
            (self.out / f"asked-{os.getpid()}.wasm").write_bytes(data)
        try:
            oracle.Component(self.engine, data)
        except wasmtime.WasmtimeError as error:
            theirs = str(error)
        if (theirs is None) == (refusal is None):
            return
        if EXPECTED.search(theirs or ""):
            return
        if theirs is not None and self.has_bad_module(data):
            return
        place = re.sub(r"0x[0-9a-f]+|[0-9]+|[`'\"][^`'\"]*[`'\"]", "_", theirs or refusal or "")
        who = "wasmtime alone refuses" if refusal is None else "refused here alone"
        self.found(f"{who}: {place.strip().splitlines()[-1][:120]}", data)

    def has_bad_module(self, data):
        """Return whether compiling, which is not traced, refuses the component too."""
        import asyncio

        try:
            asyncio.run(self.compiler.load(data))
        except ComponentError:
            return True
        return False

    def found(self, what, data):
        if what not in self.findings:
            self.findings[what] = data
            print(f"FINDING {what}: {self.written(data)}", flush=True)

    def written(self, data):
        """Write a finding at once, since the run may be long or end in a crash; return where."""
        if self.out is None:
            return "not written"
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / f"{hashlib.sha256(data).hexdigest()[:16]}.wasm"
        path.write_bytes(data)
        return path


def fuzz(*, seed, seconds, with_oracle=False, steps=None, out=None):
    """Return the fuzzer after a run of so many seconds, or steps."""
    fuzzer = Fuzzer(seed, with_oracle=with_oracle, out=out)
    fuzzer.start(corpus())
    now = time.monotonic()
    end, told = now + seconds, now
    while now < end and (steps is None or fuzzer.count < steps):
        fuzzer.step()
        now = time.monotonic()
        if now - told >= TOLD_S:
            told = now
            print(fuzzer, file=sys.stderr, flush=True)
    return fuzzer


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--oracle", action="store_true")
    parser.add_argument("--out", type=Path, default=ROOT / ".cache" / "fuzz")
    options = parser.parse_args()
    done = fuzz(
        seed=options.seed, seconds=options.seconds, with_oracle=options.oracle, out=options.out
    )
    print(done)
    return bool(done.findings)


if __name__ == "__main__":
    raise SystemExit(main())
