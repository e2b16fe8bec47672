"""The command line as scripts see it: what goes where, and which exit status."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.interrupted import interrupted


def test_a_call_prints_its_result_as_wave_and_as_json(system):
    done = system.run("worker", "invoke", "counter/wave", "add(5)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")
    assert system.json("worker", "invoke", "counter/wave", "add(3)") == {"result": 8}
    assert system.json("worker", "invoke", "counter/wave", "add", "--params", "[2]") == {
        "result": 10
    }
    assert system.json("worker", "invoke", "counter/wave", "get") == {"result": 10}
    full = "demo:counter/api.{add}"
    by_name = '{"value": 1}'
    assert system.json("worker", "invoke", "counter/wave", full, "--params", by_name) == {
        "result": 11
    }
    done = system.run("worker", "invoke", "counter/wave", "get()", "-o", "yaml")
    assert yaml.safe_load(done.stdout) == {"result": 11}


def test_the_same_key_is_executed_once(system):
    for _ in range(3):
        call = system.json("worker", "invoke", "counter/keyed", "add(5)", "--key", "k")
        assert call == {"result": 5}


def test_without_waiting_the_key_is_told_and_gets_the_result_later(system):
    accepted = system.json("worker", "invoke", "counter/later", "add(7)", "--no-wait")
    key = accepted["key"]
    assert system.json("worker", "invoke", "counter/later", "add(7)", "--key", key) == {"result": 7}
    assert system.json("worker", "invoke", "counter/later", "get()") == {"result": 7}


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["counter/x", "ad(5)"], "unknown-function", "add"),
        (["countr/x", "add(5)"], "unknown-component", "counter"),
        (["counter/x", "add()"], "bad-parameters", "1"),
        (["counter/x", 'add("five")'], "bad-parameters", "u64"),
        (["counter/x", "add(5"], "bad-message", "column"),
        (["counter/x", "add", "--params", '["five"]'], "bad-parameters", "value"),
        (["counter/leaver", "leave(3)"], "exited", "3"),
    ],
)
def test_what_the_worker_refuses_is_status_1_with_kind_and_message(system, arguments, kind, words):
    done = system.run("worker", "invoke", *arguments, "-o", "json")
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["kind"] == kind
    assert words in error["message"] + done.stderr
    assert kind in done.stderr
    in_text = system.run("worker", "invoke", *arguments)
    assert (in_text.returncode, in_text.stdout) == (1, "")
    assert "Traceback" not in in_text.stderr + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["worker", "invoke", "counter", "add(5)"],
        ["worker", "invoke", "counter/x", "add", "--params", "["],
        ["worker", "invoke", "counter/x", "add", "--params", "5"],
        ["worker", "invoke", "counter/x", "add(5)", "--at", "tomorrow"],
        ["worker", "invoke", "counter/x", "add(5)", "--at", "2030-01-01T00:00:00"],
        ["worker", "invoke", "counter/x", "add(5)", "--nonsense"],
        ["worker", "new", "counter/x", "--env", "novalue"],
        ["component", "add", "counter", "no-such-file.wasm"],
        ["component", "add", "counter", __file__, "--file", "x"],
        ["wrker", "list"],
    ],
)
def test_wrong_usage_is_status_2_and_leaves_stdout_empty(system, arguments):
    done = system.run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_call_without_function_lists_what_there_is(system):
    done = system.run("worker", "invoke", "counter/x")
    assert done.returncode == 2
    assert "demo:counter/api.{add}(value: u64) -> u64" in done.stderr


def test_near_misses_are_named(system):
    assert "did you mean counter" in system.run("component", "get", "contuer").stderr
    system.run("worker", "invoke", "counter/alice", "add(1)")
    assert "did you mean alice" in system.run("worker", "get", "counter/alce").stderr
    assert "did you mean add" in system.run("worker", "invoke", "counter/x", "adb(1)").stderr


def test_a_function_that_two_components_have_is_told_with_the_option_that_chooses(system):
    assert not system.run(
        "component", "add", "twin", str(system.directory / "counter.wasm")
    ).returncode
    program = ("rib", "eval", 'instance("two").add(1)')
    done = system.run(*program)
    assert done.returncode == 1
    assert "note: several components export it: counter, twin\n" in done.stderr
    assert "hint: --component NAME has only that one's functions in scope" in done.stderr
    assert system.run(*program, "--component", "twin").stdout == "1\n"
    system.run("component", "delete", "twin", "--force")


def test_components_are_uploaded_listed_shown_downloaded_and_deleted(system):
    file = system.directory / "counter.wasm"
    add = [
        "component",
        "add",
        "spare",
        str(file),
        "--env",
        "A=1",
        "--file",
        f"{__file__}:/etc/x:rw",
        "--allow-sockets",
    ]
    added = system.json(*add)
    assert (added["name"], added["version"], added["env"]) == ("spare", 0, {"A": "1"})
    assert added["files"][0]["path"] == "/etc/x"
    assert system.json(*add, "--if-changed")["version"] == 0
    assert system.json(*add)["version"] == 1
    assert [each["version"] for each in system.json("component", "list", "spare")] == [0, 1]
    assert {"counter", "spare"} <= {each["name"] for each in system.json("component", "list")}
    assert system.json("component", "get", "spare", "--version", "0")["digest"] == added["digest"]
    shown = system.run("component", "get", "spare").stdout
    for heading in ("name", "version", "size", "uploaded", "sockets", "exports"):
        assert re.search(rf"^ *{heading}\b", shown, re.MULTILINE), heading
    assert "  demo:counter/api.{add}(value: u64) -> u64\n" in shown
    assert "exports.{init}" not in shown, "machinery of the toolchain is hidden"
    described = system.json("component", "wit", "spare")
    assert "demo:counter/api.{get}() -> u64" in described["exports"]
    target = system.directory / "copy.wasm"
    system.json("component", "download", "spare", str(target))
    assert target.read_bytes() == file.read_bytes()
    assert "version 0, 1" in system.run("component", "delete", "spare").stdout
    assert system.run("component", "get", "spare").returncode == 1


def test_a_file_that_is_no_component_is_refused_with_its_reason(system):
    done = system.run("component", "add", "text", __file__, "-o", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["kind"] == "bad-component"
    assert system.run("component", "get", "text").returncode == 1


def test_a_worker_is_created_watched_controlled_and_deleted(system):
    assert system.run("worker", "new", "counter/bob", "--env", "A=1", "--arg", "x").returncode == 0
    again = system.run("worker", "new", "counter/bob", "-o", "json")
    assert json.loads(again.stdout)["error"]["kind"] == "worker-exists"
    system.json("worker", "invoke", "counter/bob", "add(5)")
    status = system.json("worker", "get", "counter/bob")
    assert (status["status"], status["invocations"]) == ("idle", 1)
    listed = system.json("worker", "list", "counter/bo")
    assert [each["worker"] for each in listed] == ["bob"]
    entries = system.json("worker", "oplog", "counter/bob")
    assert [each["index"] for each in entries] == list(range(1, len(entries) + 1))
    assert entries[0]["entry"]["type"] == "create"
    found = system.json("worker", "oplog", "counter/bob", "--query", "type:completed")
    assert {each["entry"]["type"] for each in found} == {"exported-function-completed"}
    later = system.json("worker", "oplog", "counter/bob", "--from", "2")
    assert later[0]["index"] == 2
    text = system.run("worker", "oplog", "counter/bob").stdout.splitlines()
    assert len(text) == len(entries)
    assert system.json("worker", "logs", "counter/bob") == []
    for command in (["interrupt"], ["resume"], ["interrupt", "--recover"]):
        done = system.run("worker", command[0], "counter/bob", *command[1:])
        assert done.returncode == 0, done.stderr
    assert system.json("worker", "invoke", "counter/bob", "get()") == {"result": 5}
    system.json("worker", "delete", "counter/bob")
    assert system.run("worker", "get", "counter/bob").returncode == 1
    assert system.json("worker", "invoke", "counter/bob", "get()") == {"result": 0}


def test_pipes_get_no_colours_and_whole_lines(system):
    system.run("worker", "invoke", "counter/alice", "add(1)")
    done = system.run("worker", "oplog", "counter/alice", COLUMNS="20")
    assert "\x1b" not in done.stdout
    assert all(line.lstrip()[0].isdigit() for line in done.stdout.splitlines())


def test_the_command_as_a_process_of_its_own_behaves_the_same(system):
    done = system.run_process("worker", "invoke", "counter/process", "add(5)", "-o", "json")
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"result":5}\n', "")
    done = system.run_process("worker", "invoke", "nobody/process", "add(5)")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_the_shell_completes_names_of_components_workers_and_functions(system):
    system.run("worker", "invoke", "counter/alice", "add(1)")
    asked = {"_SHEM_COMPLETE": "complete_bash", "COMP_CWORD": "3"}
    done = system.run(**asked, COMP_WORDS="shem worker get coun")
    assert done.stdout.split() == ["counter/"]
    done = system.run(**asked, COMP_WORDS="shem worker get counter/ali")
    assert done.stdout.split() == ["counter/alice"]
    asked["COMP_CWORD"] = "4"
    for worker in ("alice", "nobody-yet"):
        done = system.run(**asked, COMP_WORDS=f"shem worker invoke counter/{worker} ad")
        assert done.stdout.split() == ["add"]
    done = system.run(**asked, COMP_WORDS="shem worker invoke unheard-of/alice ad")
    assert (done.stdout.split(), done.stderr) == ([], "")


@pytest.mark.parametrize(
    ("words", "current", "found"),
    [
        ("shem worker get demo : coun", 5, ["counter/"]),
        # The cursor is right behind the colon.
        ("shem worker get demo :", 4, ["counter/"]),
        ("shem worker get demo : counter/", 5, ["counter/a:b"]),
        ("shem worker get demo : counter/a :", 6, ["b"]),
        ("shem worker invoke demo : counter/a : b ad", 8, ["add"]),
        # Who takes the colon from COMP_WORDBREAKS has whole words.
        ("shem worker get demo:coun", 3, ["demo:counter/"]),
    ],
)
def test_bash_completes_names_with_colons(system, words, current, found):
    system.add_counter("demo:counter")
    system.run("worker", "invoke", "demo:counter/a:b", "add(1)")
    done = system.run(
        _SHEM_COMPLETE="complete_bash",
        COMP_CWORD=str(current),
        COMP_WORDS=words.replace(" ", "\n"),
    )
    assert (done.stdout.split(), done.stderr) == (found, "")


def test_ctrl_c_is_quiet_while_the_command_is_imported(tmp_path):
    program = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "shem.cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
from shem.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_without_a_broker_the_message_says_what_to_do(system):
    done = system.run("worker", "list", "counter", "-o", "json", SHEM_NATS_URL="127.0.0.1:1")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["kind"] == "unavailable"
    assert "shem up" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_interrupt_ends_a_command_without_traceback(system):
    environment = {"PYTHONPATH": str(Path(__file__).parents[3])}
    following = subprocess.Popen(
        [sys.executable, "-m", "shem", "worker", "logs", "counter/nobody", "--follow"],
        cwd=system.directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        # It cannot be seen from outside when it listens; an interrupt at any time must do.
        with pytest.raises(subprocess.TimeoutExpired):
            following.wait(timeout=5)
        following.send_signal(signal.SIGINT)
        _, errors = following.communicate(timeout=30)
    finally:
        following.kill()
        following.wait()
    assert following.returncode == 130
    assert b"Traceback" not in errors


def test_who_stops_waiting_for_an_outcome_is_told_how_to_ask_for_it(system):
    status, errors = interrupted(
        [sys.executable, "-m", "shem", "worker", "invoke", "counter/patient", "nap(60000)"],
        system.directory,
        {"PYTHONPATH": str(Path(__file__).parents[3])},
        once=lambda: system.run("worker", "get", "counter/patient").returncode == 0,
    )
    told = re.search(r"stopped waiting; with --key (\w+) the outcome can be asked for", errors)
    assert (status, told is not None) == (130, True), errors
    assert system.json("worker", "invocation", "counter/patient", told[1])


@pytest.mark.parametrize("format_", ["text", "json", "yaml"])
def test_a_place_that_is_full_is_told_without_traceback(format_):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "shem", "rib", "eval", "1 + 2", "-o", format_],
            env={"PYTHONPATH": str(Path(__file__).parents[3])},
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    told = b"error: cannot write to stdout: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


@pytest.mark.parametrize(
    ("shell", "printed"), [("PYTHONIOENCODING=ascii exec", '"\\u4f60"\n'), ("exec >&-;", "")]
)
def test_a_terminal_without_letters_or_none_at_all_ends_no_command(shell, printed):
    command = f"{shell} {sys.executable} -m shem rib eval '\"\u4f60\"'"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")


def test_a_status_that_there_is_not_is_refused_instead_of_found_nowhere(system):
    done = system.run("worker", "list", "counter", "--status", "fialed", "-o", "json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["kind"]) == (1, "bad-request")
    assert "fialed" in error["message"]
    assert system.json("worker", "list", "counter", "--status", "failed") == []


def test_whoever_follows_a_journal_follows_that_of_the_next_worker_of_its_name(system):
    for number in range(3):
        system.json("worker", "invoke", "counter/followed", f"add({number})")
    following = subprocess.Popen(
        [sys.executable, "-m", "shem", "worker", "oplog", "counter/followed", "--follow"],
        cwd=system.directory,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        read_until(following.stdout, "{add}(2)")
        system.json("worker", "delete", "counter/followed")
        system.json("worker", "invoke", "counter/followed", "add(7)")
        read_until(following.stdout, "{add}(7)")
    finally:
        following.kill()
        following.communicate()


def read_until(lines, wanted):
    """Read lines up to one that holds `wanted`; the test's time limit ends the wait."""
    while wanted not in (line := lines.readline()):
        assert line, f"it ended before {wanted!r} came"
