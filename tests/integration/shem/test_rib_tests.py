"""`shem test`: test files against a throw-away system, with real guests."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.chaos.cluster import ROOT
from tests.guests.build import build
from wit.binary.writer import componentize
from wit.text.resolver import resolve_text

pytestmark = pytest.mark.timeout(240)

FAILING = """component tiny from "tiny.wasm";
let w = instance("w");
test "passes" { assert w.add(2) == 2; }
test "fails" {
  w.add(2);
  assert w.get() == 3;
}
test "does not compile" { w.ad(2) }
"""

CALLING = """component mate from "mate.wasm";
component relay from "relay.wasm";
test "first" { assert instance("caller").wait("called", 5) == 5; }
test "second" { assert instance("caller").wait("called", 5) == 5; }
"""


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHEM_")}
    return subprocess.run(
        [sys.executable, "-m", "shem", "test", *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def calling_somebody() -> bytes:
    """Return a component that imports the client of another one, which is nowhere."""
    world = resolve_text("""
        package demo:caller;
        world caller { import demo:called-client/api; export go: func(); }
        package demo:called-client { interface api { run: func(); } }
    """).world("caller")
    imported = b"\x16demo:called-client/api\x03run\x00\x00"
    core = b"".join(
        (
            b"\0asm\x01\0\0\0",
            b"\x01\x04\x01\x60\x00\x00",
            b"\x02" + bytes([len(imported) + 1]) + b"\x01" + imported,
            b"\x07\x06\x01\x02go\x00\x00",
        )
    )
    return componentize(core, world)


def test_the_promises_of_the_counter_hold(tmp_path: Path) -> None:
    # The guest in C exports what the example in Python does, and is built in a moment.
    done = run(tmp_path, str(ROOT / "examples" / "counter"), "-c", f"counter={build('load')}")

    assert done.returncode == 0, done.stderr
    assert done.stdout == "6 passed, 0 failed\n"


def test_failures_are_told_to_people_programs_and_build_servers(tmp_path: Path) -> None:
    (tmp_path / "tiny.wasm").write_bytes(build("tiny").read_bytes())
    (tmp_path / "tiny.rib").write_text(FAILING)
    (tmp_path / "lost.rib").write_text('component lost from "lost.wasm"; test "lost" { 1 }')
    (tmp_path / "caller.wasm").write_bytes(calling_somebody())
    (tmp_path / "caller.rib").write_text('component caller from "caller.wasm"; test "alone" { 1 }')
    (tmp_path / "script.rib").write_text("1 + 1;")
    (tmp_path / "wrong.rib").write_text('test "wrong" { 1 + }')
    done = run(tmp_path, "--junit", "report.xml", "-o", "json")
    outcomes = {each["test"]: each for each in json.loads(done.stdout)}

    assert done.returncode == 1
    assert [name for name, each in outcomes.items() if not each["failure"]] == ["passes"]
    assert "found:    2" in outcomes["fails"]["failure"]
    assert "error[RIB0509] tiny.rib:6:3" in done.stderr
    assert "did you mean `add`?" in outcomes["does not compile"]["failure"]
    assert "build it, or name another file: --component lost=FILE" in outcomes["lost"]["failure"]
    assert "have the file name what it calls" in outcomes["alone"]["failure"]
    assert "build it" not in outcomes["alone"]["failure"]
    assert "wrong.rib:1:20: expected an expression" in outcomes[""]["failure"]
    suites = ET.parse(tmp_path / "report.xml").getroot()
    counts = {suite.get("name"): (suite.get("tests"), suite.get("failures")) for suite in suites}
    assert counts == {
        "wrong.rib": ("1", "1"),
        "lost.rib": ("1", "1"),
        "caller.rib": ("1", "1"),
        "tiny.rib": ("3", "2"),
    }


def test_workers_that_guests_have_called_are_fresh_for_the_next_test_too(tmp_path: Path) -> None:
    for name in ("mate", "relay"):
        (tmp_path / f"{name}.wasm").write_bytes(build(name).read_bytes())
    (tmp_path / "one.rib").write_text(CALLING)
    (tmp_path / "two.rib").write_text(CALLING)
    done = run(tmp_path)

    assert done.stdout == "4 passed, 0 failed\n", done.stderr


def test_wrong_usage(tmp_path: Path) -> None:
    assert run(tmp_path).returncode == 2
    assert run(tmp_path, "nowhere").returncode == 2
    assert run(tmp_path, "-c", "x=nowhere.wasm").returncode == 2
    assert not (tmp_path / ".shem").exists()
