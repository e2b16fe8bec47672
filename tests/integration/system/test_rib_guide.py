"""Every example of the guide to Rib, run against a real system."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rib
from shem.client import Client
from shem.scripts import WorkerPort, worlds
from tests.chaos.cluster import ROOT
from tests.integration.system.test_repl import environment
from tests.integration.system.whole import Whole
from tests.support.readme import Block, blocks_of, commands
from wit.wave import format_value

pytestmark = pytest.mark.timeout(180)

GUIDE = ROOT / "docs" / "guide" / "rib.md"
BLOCKS = blocks_of(GUIDE)
EXPECTED = re.compile(r"^// (=> |error )(.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def counter(whole: Whole) -> Whole:
    # The guest in C exports what the example in Python does, and is built in a moment.
    whole.add("load", "counter")
    done = whole.run("component", "delete", "load")
    assert done.returncode == 0, done.stderr
    return whole


def of(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language]


def test_all_blocks_are_of_a_kind_that_is_run() -> None:
    assert {block.language for block in BLOCKS} == {
        *("console", "rib", "rib-test", "text", "python"),
    }
    assert len(of("rib")) >= 20


def test_programs_give_what_is_said(counter: Whole, runner: asyncio.Runner) -> None:
    runner.run(_programs(counter))


async def _programs(counter: Whole) -> None:
    async with await Client.connect(counter.server.url) as client:
        components = await worlds(client, ["counter"])
        for number, block in enumerate(of("rib")):
            kind, wanted = EXPECTED.findall(block.text)[-1]
            found = await _outcome(block.text, components, WorkerPort(client, f"guide-{number}"))
            if kind == "=> ":
                assert found == wanted, block.text
            else:
                code, _, cause = wanted.partition(": ")
                assert found.startswith(f"{code}: "), (block.text, found)
                assert cause in found, (block.text, found)


async def _outcome(text: str, components: object, port: rib.Port) -> str:
    try:
        program = rib.compile(text, components)
        value = await program.run(port)
    except rib.CompileError as error:
        return f"{error.diagnostics[0].code.value}: {error.diagnostics[0].cause}"
    except rib.RunError as error:
        return f"{error.code.value}: {error.diagnostic.cause}"
    assert program.result is not None
    return format_value(value, program.result)


def test_commands_print_what_is_said(counter: Whole) -> None:
    for block in of("console"):
        for command in commands(block):
            done = counter.run(*command.words[1:])
            printed = done.stdout + done.stderr
            assert [line.rstrip() for line in printed.splitlines()] == list(command.printed), (
                command.line
            )


def test_the_prompt_answers_what_is_said(counter: Whole) -> None:
    (block,) = of("text")
    typed = [line[4:] for line in block.text.splitlines() if line.startswith(">>> ")]
    wanted = [
        line.partition("  : ")[0] for line in block.text.splitlines() if not line.startswith(">>> ")
    ]
    done = subprocess.run(
        [sys.executable, "-m", "shem", "repl"],
        input="\n".join(typed),
        env=environment(counter),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == wanted, done.stderr


def test_test_files_pass(counter: Whole, runner: asyncio.Runner) -> None:
    runner.run(_tests(counter))


async def _tests(counter: Whole) -> None:
    async with await Client.connect(counter.server.url) as client:
        components = await worlds(client, ["counter"])
        for block in of("rib-test"):
            file = rib.parse_tests(block.text)
            assert file.tests
            for test in file.tests:
                port = WorkerPort(client, f"guide-{test.name}")
                await rib.compile_test(file, test, components).run(port)
                await client.worker("counter", "alice").delete()


@pytest.mark.parametrize("block", of("python"), ids=lambda block: block.text[:40])
def test_python_runs(block: Block, tmp_path: Path) -> None:
    exec(compile(block.text, "guide", "exec"), {})
