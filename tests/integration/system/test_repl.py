"""The prompt at a real terminal against real workers."""

import asyncio
import os
import re
import sys
from collections.abc import Iterator

import pytest

from shem.client import Client
from tests.chaos.cluster import ROOT
from tests.integration.system.whole import Whole
from tests.support.terminal import Person

pytestmark = pytest.mark.timeout(180)


def environment(whole: Whole) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHEM_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "SHEM_NATS_URL": whole.server.url,
        "XDG_STATE_HOME": str(whole.folder / "state"),
    }


@pytest.fixture(scope="module")
def both(whole: Whole) -> Whole:
    whole.add("tiny", "tiny")
    return whole


@pytest.fixture
def person(both: Whole) -> Iterator[Person]:
    command = [sys.executable, "-m", "shem", "repl"]
    with Person(command, both.folder, environment(both)) as started:
        started.see("`:help` lists the commands.")
        started.see(">>>")
        yield started


async def keys(whole: Whole, component: str, worker: str) -> list[object]:
    """Return the key of each invocation that the worker has executed."""
    async with await Client.connect(whole.server.url) as client:
        handle = client.worker(component, worker)
        entries = handle.oplog(types=["exported-function-invoked"])
        return [each.entry["idempotency-key"] async for each in entries]


def test_lines_share_variables_and_repeat_no_call(
    both: Whole, person: Person, runner: asyncio.Runner
) -> None:
    person.type('let w = instance("repl-1")\r')
    person.type("let three = 3\r")
    person.type("let total = w.add[demo:tiny](three)\r")
    person.type("total + 1\r")
    person.see("4  : u64")
    person.type("w.get[demo:tiny]() + w.add[demo:counter](total)\r")
    person.see("6  : u64")
    person.type(":type w\r")
    person.see("instance")
    person.type(":deps\r")
    person.see("load: demo:counter/api.{add}(value: u64) -> u64")
    person.type(":workers tiny\r")
    person.see("tiny/repl-1: ")
    person.type(":quit\r")

    assert person.leave() == 0
    assert len(runner.run(keys(both, "tiny", "repl-1"))) == 2
    assert "\x1b[33m4" in person.raw or re.search(r"\x1b\[[0-9;]*33m4", person.raw)


def test_tab_completes_methods_with_arguments(person: Person) -> None:
    person.type('let w = instance("repl-2")\r')
    person.type("w.desc\t")
    person.see("describe([])")
    person.type("\r")
    person.see('err("no items")')


def test_an_open_bracket_continues_and_errors_show_their_place(person: Person) -> None:
    person.type("[1,\r")
    person.see("...")
    person.type("2].sum()\r")
    person.see("3  : u64")
    person.type('1 + "x"\r')
    person.see("error[RIB0202] line 1, column 5: type mismatch. expected number, found string")


def test_stopping_loses_nothing(both: Whole, person: Person, runner: asyncio.Runner) -> None:
    person.type('let s = instance("repl-3"); s.add[demo:counter](2); s.nap(2500) + 40\r')
    person.see("load/repl-3 demo:counter/api.{nap}(2500)")
    person.type("\x03")
    person.see("goes on under the key")
    person.type("1 + 1\r")
    person.see("2  : u64")
    person.type(":again\r")
    person.see("42  : u64")
    person.type("s.get[demo:counter]()\r")
    person.see("2  : u64")

    # The wait was repeated, the calls were not.
    assert len(runner.run(keys(both, "load", "repl-3"))) == 3


def test_lines_are_saved_and_loaded_and_traced(both: Whole, person: Person) -> None:
    file = both.folder / "saved.rib"
    person.type(":trace on\r")
    person.see("trace is on")
    person.type('let t = instance("repl-4");\r')
    person.type("t.add[demo:tiny](5)\r")
    person.see("tiny/repl-4 demo:tiny/api.{add}(5) -> 5")
    person.type("nonsense(1)\r")
    person.see("invalid function call `nonsense`")
    person.type(f":save {file}\r")
    person.see("2 lines in")
    assert file.read_text() == 'let t = instance("repl-4");\nt.add[demo:tiny](5)\n'
    person.type(f":load {file}\r")
    person.see("10  : u64")
    person.type(":help\r")
    person.see("Ctrl-D leaves")
    person.type(":nope\r")
    person.see("no command `:nope`")
    person.type(":quit\r")
    assert person.leave() == 0


def test_lines_from_a_pipe_run_without_a_terminal(both: Whole) -> None:
    import subprocess

    done = subprocess.run(
        [sys.executable, "-m", "shem", "repl", "-c", "tiny"],
        input='let w = instance("repl-5");\nw.add(\n  2)\n:type w.get()\n1 +* 2\n',
        env=environment(both),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "2\nu64\n"
    assert "error[RIB0101] line 1, column 4" in done.stderr
    assert done.returncode == 1
