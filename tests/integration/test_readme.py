"""The tour of the README, run from its first command to its last, prints what stands there."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.guests.build import build
from tests.support.readme import Block, Command, blocks, commands
from tests.support.system import RunningSystem

CHANGING = re.compile(
    r"""(?P<time>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?)
    | (?P<key>\b[0-9a-f]{32}\b)
    | (?P<base64>"base64":"[^"]*")
    | (?P<sequence>\bseq-\d+)
    | (?P<number>\b\d{9,20}\b)""",
    re.VERBOSE,
)
PORT = "nats://127.0.0.1:4222"


def steady(text: str) -> str:
    """Replace what is another one each time by its kind, and forget spaces at the ends."""
    named = CHANGING.sub(lambda match: f"<{match.lastgroup}>", text)
    return "\n".join(line.rstrip() for line in named.strip().splitlines())


def check(system: RunningSystem, command: Command) -> None:
    if command.words[0] == "kill":
        _, _, comment = command.line.partition("#")
        system.kill(*comment.split())
        return
    done = system.run(*command.words)
    printed = steady(done.stdout).splitlines()
    expected = steady("\n".join(command.printed)).splitlines()
    if any(line.strip() == "…" for line in expected):
        missing = [line for line in expected if line.strip() != "…" and line not in printed]
        assert not missing, f"$ {command.line}\n{done.stdout}"
    else:
        assert printed == expected, f"$ {command.line}\n{done.stdout}\n{system.log}"


def run_script(system: RunningSystem, script: Block, expected: Block) -> None:
    file = system.folder / "script.py"
    file.write_text(script.text.replace(PORT, system.url))
    done = system.run(sys.executable, str(file))
    assert steady(done.stdout) == steady(expected.text)


@pytest.mark.timeout(600)
def test_the_tour_prints_what_the_readme_shows(tmp_path: Path) -> None:
    shutil.copyfile(build("counter"), tmp_path / "counter.wasm")
    shown = iter(blocks("console", "python", "text"))
    ran = 0
    with RunningSystem(tmp_path, executors=2) as system:
        for block in shown:
            if "wit_world" in block.text:
                continue
            if block.language == "python":
                run_script(system, block, next(shown))
                ran += 1
                continue
            for command in commands(block):
                # The system runs already, and the component is built already.
                if command.words[:2] != ["shem", "up"] and command.words[0] != "componentize-py":
                    check(system, command)
                    ran += 1
    assert ran > 14
