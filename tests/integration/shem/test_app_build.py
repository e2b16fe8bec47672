"""`shem app build` at a terminal: what takes long is seen to go on."""

import json
import os
import sys
from pathlib import Path

from tests.support.system import ROOT
from tests.support.terminal import Person

EMPTY_COMPONENT = b"\0asm\x0d\0\x01\0"
# A toolchain that takes as long as we want.
WAITING = f"""{sys.executable} -c 'import shutil, pathlib, time
while not pathlib.Path("go").exists(): time.sleep(0.01)
shutil.copy("in.wasm", "out.wasm")'"""


def test_a_step_that_takes_long_is_shown_while_it_runs(tmp_path: Path) -> None:
    (tmp_path / "in.wasm").write_bytes(EMPTY_COMPONENT)
    (tmp_path / "shem.yaml").write_text(
        "components:\n  demo:slow:\n    componentWasm: out.wasm\n"
        f"    build: [{{command: {json.dumps(WAITING)}}}]\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "shem", "app", "build"]
    with Person(command, tmp_path, environment) as person:
        person.see("demo:slow  componentize")
        person.see("0:00:01")
        (tmp_path / "go").touch()
        person.see("built 1 components")
        assert person.leave() == 0

    (tmp_path / "go").unlink()
    with Person(command, tmp_path, environment) as person:
        person.see("demo:slow  componentize")
        person.type("\x03")
        assert person.leave() == 130
