"""`shem app dev`: somebody edits, and a system follows."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.system import ROOT, RunningSystem

LIMIT_S = 60
# Text to a component: a toolchain that takes no time.
BUILD = f"""{sys.executable} -c 'import sys, wasmtime
open(sys.argv[2], "wb").write(wasmtime.wat2wasm(open(sys.argv[1]).read()))'"""
# Adds to a number, says so in the log, and tells the number times a factor.
COUNTER = """(component
  (type $logging-type (instance
    (type $l (enum "trace" "debug" "info" "warn" "error" "critical"))
    (export "level" (type $level (eq $l)))
    (export "log" (func (param "level" $level) (param "context" string) (param "message" string)))))
  (import "wasi:logging/logging@0.1.0-draft" (instance $logging (type $logging-type)))
  (core module $memory (memory (export "memory") 1)
    (data (i32.const 8) "added up"))
  (core instance $memory (instantiate $memory))
  (core func $log (canon lower (func $logging "log") (memory (core memory $memory "memory"))))
  (core module $m
    (import "host" "log" (func $log (param i32 i32 i32 i32 i32)))
    (global $total (mut i64) (i64.const 0))
    (func (export "add") (param i64) (result i64)
      (call $log (i32.const 2) (i32.const 8) (i32.const 0) (i32.const 8) (i32.const 8))
      (global.set $total (i64.add (global.get $total) (local.get 0))) (global.get $total))
    (func (export "times") (result i64) (i64.mul (global.get $total) (i64.const {factor}))))
  (core instance $i (instantiate $m (with "host" (instance (export "log" (func $log))))))
  (func $add (param "value" u64) (result u64) (canon lift (core func $i "add")))
  (func $times (result u64) (canon lift (core func $i "times")))
  (instance $api (export "add" (func $add)) (export "times" (func $times)))
  (export "demo:counter/api" (instance $api)))
"""


class Developing:
    """`shem app dev` in the folder of an app."""

    def __init__(self, system: RunningSystem, app: Path) -> None:
        self._printed = app / "dev.txt"
        self._read = 0
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "SHEM_NATS_URL": system.url}
        with self._printed.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "shem", "app", "dev"],
                cwd=app,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def wait_for(self, pattern: str) -> None:
        """Wait until it prints what fits, behind what was waited for before."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            text = self._printed.read_text()
            if found := re.compile(pattern).search(text, self._read):
                self._read = found.end()
                return
            assert self.process.poll() is None, text
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{text[self._read :]}"
            time.sleep(0.02)

    def printed(self) -> str:
        """Return all that it has printed."""
        return self._printed.read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(LIMIT_S)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with RunningSystem(tmp_path_factory.mktemp("system")) as started:
        yield started


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.wat").write_text(COUNTER.format(factor=2))
    command = json.dumps(f"{BUILD} src/main.wat build/main.wasm")
    (folder / "shem.yaml").write_text(
        "components:\n  demo:counter:\n    componentWasm: build/main.wasm\n    clean: [build]\n"
        f"    build: [{{command: {command}, mkdirs: [build], sources: [src],"
        " targets: [build/main.wasm]}]\n"
    )
    return folder


def invoke(system: RunningSystem, call: str) -> Any:
    done = system.run("shem", "worker", "invoke", "demo:counter/ann", call, "-o", "json")
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout)["result"]


def test_every_change_is_built_and_deployed_and_workers_go_on_with_it(
    system: RunningSystem, app: Path
) -> None:
    source = app / "src" / "main.wat"
    developing = Developing(system, app)
    try:
        developing.wait_for("demo:counter version 0")
        developing.wait_for("deployed")
        assert invoke(system, "add(5)") == 5
        developing.wait_for(r"demo:counter/ann \| added up")

        source.write_text(COUNTER.format(factor=3))
        developing.wait_for(r"changed: src/main\.wat")
        developing.wait_for(r"demo:counter  componentize .* s")
        developing.wait_for("demo:counter version 1")
        developing.wait_for("workers: 1 updated")
        assert invoke(system, "times()") == 15

        # A mistake is told, deploys nothing and ends nothing.
        source.write_text("(component")
        developing.wait_for(r"(?s)error \(build-failed\): demo:counter: .*status 1.*expected `\)`")
        assert invoke(system, "times()") == 15
        source.write_text(COUNTER.format(factor=4))
        developing.wait_for("demo:counter version 2")

        # So is one in the manifest.
        manifest = (app / "shem.yaml").read_text()
        (app / "shem.yaml").write_text(manifest.replace("clean:", "cleen:"))
        developing.wait_for("cleen")
        (app / "shem.yaml").write_text(manifest)
        developing.wait_for("nothing to deploy")
    finally:
        status = developing.stop()
    assert status == 0
    # What it prints lies in the folder, too, and is no change of the app.
    assert "changed: dev.txt" not in developing.printed()


def test_what_a_component_that_came_meanwhile_builds_is_no_change(
    system: RunningSystem, app: Path
) -> None:
    manifest = app / "shem.yaml"
    developing = Developing(system, app)
    try:
        developing.wait_for("waiting for changes")
        text = manifest.read_text().partition("\n")[2]
        twin = text.replace("demo:counter", "demo:twin").replace("build/", "made/")
        twin = twin.replace("clean: [build]", "clean: [made]").replace("[build]", "[made]")
        manifest.write_text(manifest.read_text() + twin)
        developing.wait_for("demo:twin version 0")
        developing.wait_for("deployed")

        # Editors and `sed -i` write another file first, which is gone when it is looked at.
        (app / "src" / "sedXyz").write_text(COUNTER.format(factor=5))
        (app / "src" / "sedXyz").replace(app / "src" / "main.wat")
        developing.wait_for("demo:twin version 1")
        developing.wait_for("deployed")
    finally:
        developing.stop()
    changed = re.findall("changed: (.*)", developing.printed())
    assert changed == ["shem.yaml", "src/main.wat"]
