"""The process tree: ready file, crashes of each process, the way down."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import shem
from broker.jetstream.connect import connect
from broker.jetstream.options import ConnectOptions
from tests.integration.shem.conftest import environment

COUNTER = b"scripted counter"


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    # A zombie only waits for a parent that may never look.
    return state not in {"Z", "X"}


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 40
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still alive: {[p for p in pids if is_alive(p)]}"
        time.sleep(0.02)


def all_pids(state: dict) -> list[int]:
    broker = state["pids"]["broker"]
    return [*state["pids"]["executors"], *([broker] if broker else [])]


def test_a_killed_executor_and_a_killed_broker_come_back_with_the_same_state(fresh_system):
    system = fresh_system.start(executors=2)
    system.add_counter()
    call = ["worker", "invoke", "counter/alice", "add(5)", "--timeout", "60"]
    assert system.json(*call) == {"result": 5}
    for role in ("executors", "broker"):
        before = system.state()
        assert before is not None
        victims = before["pids"][role] if role == "executors" else [before["pids"][role]]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        system.wait_for(
            lambda state, before=before, role=role: (
                state["pids"][role] != before["pids"][role] and len(state["pids"]["executors"]) == 2
            )
        )
    assert system.json(*call) == {"result": 10}
    state = system.state()
    assert state is not None
    assert system.stop() == 0
    wait_until_gone(all_pids(state))
    assert system.state() is None
    assert not (system.directory / ".shem" / "running.json").exists()
    system.start()
    assert system.json("worker", "invoke", "counter/alice", "get()") == {"result": 10}


def test_no_process_outlives_a_killed_supervisor(fresh_system):
    system = fresh_system.start()
    state = system.state()
    assert state is not None
    assert system.process is not None
    system.process.kill()
    system.process.wait()
    wait_until_gone(state["pids"]["executors"])
    # The broker is left to the next owner of the directory, which ends it first.
    system.start()
    assert not is_alive(state["pids"]["broker"])


def test_a_data_directory_has_one_owner(fresh_system):
    system = fresh_system.start()
    second = system.run_process("up", "--data", str(system.directory / "data"), "--nats-port", "0")
    assert second.returncode == 1
    assert "in use" in second.stderr
    assert "Traceback" not in second.stderr
    assert system.state() is not None


def test_other_partitions_than_the_broker_has_are_refused(fresh_system, nats_server):
    with asyncio.Runner() as runner:
        broker = runner.run(connect(ConnectOptions(servers=(nats_server.url,), partitions=4)))
        runner.run(broker.close())
    done = fresh_system.run_process("up", "--nats", nats_server.url, "--partitions", "3")
    assert done.returncode == 1
    assert "made with 4 partitions, 3 are asked for" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_external_broker_is_used_as_it_is_and_left_running(fresh_system, nats_server):
    system = fresh_system.start(url=nats_server.url)
    state = system.state()
    assert state is not None
    assert state["nats_url"] == nats_server.url
    assert state["pids"]["broker"] is None
    system.add_counter()
    assert system.json("worker", "invoke", "counter/a", "add(1)") == {"result": 1}
    assert system.stop() == 0
    assert is_alive(nats_server.pid)


def test_an_unreachable_broker_is_told_and_nothing_is_started(fresh_system):
    done = fresh_system.run_process("up", "--nats", "nats://127.0.0.1:1")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "127.0.0.1:1" in done.stderr


def test_lazy_sync_is_warned_of(fresh_system):
    system = fresh_system.start()
    warnings = [json.loads(line) for line in system.log.splitlines() if '"warning"' in line]
    assert any("power failure" in each["event"] for each in warnings)


def test_a_second_interrupt_does_not_wait(fresh_system):
    system = fresh_system.start()
    state = system.state()
    assert state is not None
    assert system.process is not None
    # A stopped executor cannot leave by itself.
    os.kill(state["pids"]["executors"][0], signal.SIGSTOP)
    system.process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 20
    while "stopping" not in system.log:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    system.process.send_signal(signal.SIGINT)
    system.process.wait(timeout=20)
    wait_until_gone(all_pids(state))


async def test_the_client_finds_the_system_of_its_directory(fresh_system, monkeypatch):
    system = await asyncio.to_thread(fresh_system.start)
    monkeypatch.chdir(system.directory)
    monkeypatch.delenv("SHEM_NATS_URL", raising=False)
    async with await shem.Client.connect() as client:
        await client.components.add("counter", COUNTER)
        alice = client.worker("counter", "alice")
        async with alice.results() as results:
            assert await alice.invoke("add", 5) == 5
            assert (await anext(results)).outcome.value == 5
        assert [each.worker async for each in client.workers("counter")] == ["alice"]
        assert (await alice.status()).status == "idle"
        executors = await client.executors()
        assert len(executors) == 1


def test_a_bare_nats_client_needs_nothing_of_shem(fresh_system):
    system = fresh_system.start()
    system.add_counter()
    state = system.state()
    assert state is not None
    script = """
import asyncio, json, sys, nats
async def main():
    client = await nats.connect(sys.argv[1])
    results = await client.subscribe("shem.result.counter.bare")
    await client.jetstream().publish("shem.invoke.counter.bare", b"add(5)")
    first = json.loads((await results.next_msg(timeout=30)).data)
    answer = await client.request("shem.call.counter.bare", b"add(2)", timeout=30)
    second = json.loads(answer.data)
    listed = await client.request("shem.api.worker.list", b'{"component": "counter"}', timeout=30)
    print(json.dumps([first["wave"], second["result"], json.loads(listed.data)["ok"]["workers"]]))
    await client.close()
asyncio.run(main())
"""
    import sys

    done = subprocess.run(
        [sys.executable, "-c", script, state["nats_url"]],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    first, second, workers = json.loads(done.stdout)
    assert (first, second) == ("5", 7)
    assert [each["worker"] for each in workers] == ["bare"]


HOLDS_A_SYSTEM = """
import asyncio
from shem.scripts.throwaway import throwaway

async def main():
    async with throwaway():
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_system_for_tests_does_not_outlive_whoever_started_it(tmp_path):
    variables = environment(TMPDIR=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    process = subprocess.Popen([sys.executable, "-c", HOLDS_A_SYSTEM], env=variables)
    try:
        deadline = time.monotonic() + 60
        while not (found := list(tmp_path.glob("shem-*/ready.json"))):
            assert process.poll() is None
            assert time.monotonic() < deadline, "not ready in a minute"
            time.sleep(0.02)
        state = json.loads(found[0].read_text())
    finally:
        process.kill()
        process.wait()
    assert len(all_pids(state)) == 2
    wait_until_gone([state["pids"]["supervisor"], *all_pids(state)])


def ended(folder: Path, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Return what a module said that was started and has ended by itself."""
    return subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_leash_has_to_be_a_pipe(tmp_path):
    done = ended(tmp_path, "shem", "up", "--until-stdin-ends")
    assert done.returncode == 2
    assert "stdin is no pipe" in done.stderr


@pytest.mark.parametrize("stdin", ["</dev/null", "<file", "<&-"])
@pytest.mark.parametrize("module", ["executor", "gateway"])
def test_a_process_started_by_hand_runs_whatever_its_stdin_is(system, tmp_path, module, stdin):
    settings = {
        "executor": {"label": "own", "cache_dir": str(tmp_path / "cache")},
        "gateway": {"label": "own", "host": "127.0.0.1", "port": 0},
    }
    (tmp_path / "file").write_text("nothing to be read")
    process = subprocess.Popen(
        [
            *("sh", "-c", f'exec "$@" {stdin}', "sh"),
            *(sys.executable, "-m", f"shem.{module}", json.dumps(settings[module])),
        ],
        cwd=tmp_path,
        env=environment(SHEM_NATS_URL=system.state()["nats_url"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
    finally:
        process.terminate()
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 0, said


def test_a_system_without_standard_streams_is_stopped_in_order(tmp_path):
    process = subprocess.Popen(
        [
            *("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-m", "shem", "up"),
            *("--nats-port", "0", "--executors", "1", "--ready-file", "ready.json"),
        ],
        cwd=tmp_path,
        env=environment(),
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "ready.json").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0


def test_a_terminal_that_is_closed_stops_everything_in_order(fresh_system):
    system = fresh_system.start()
    state = system.state()
    assert state is not None
    # The shell tells it, and the kernel once more.
    for _ in range(2):
        system.process.send_signal(signal.SIGHUP)
    assert system.process.wait(timeout=60) == 0
    assert "everything is stopped" in system.log
    wait_until_gone(all_pids(state))


def test_a_system_that_was_told_to_outlive_its_terminal_does(fresh_system):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        system = fresh_system.start()
    finally:
        signal.signal(signal.SIGHUP, before)
    system.process.send_signal(signal.SIGHUP)
    system.add_counter()
    assert system.json("worker", "invoke", "counter/alice", "add(5)") == {"result": 5}
    assert system.stop() == 0


def test_work_goes_on_when_nobody_reads_the_log_any_more(fresh_system):
    reading, writing = os.pipe()
    script = Path(__file__).with_name("scripted_up.py")
    fresh_system.process = subprocess.Popen(
        [sys.executable, str(script), str(fresh_system.directory / "data"), "ready.json", "1"],
        cwd=fresh_system.directory,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=writing,
    )
    os.close(writing)
    os.close(reading)
    (fresh_system.directory / "up.log").write_text("nobody read it")
    state = fresh_system.wait_for(lambda _: True)
    fresh_system.add_counter()
    (victim,) = state["pids"]["executors"]
    os.kill(victim, signal.SIGKILL)
    fresh_system.wait_for(lambda state: state["pids"]["executors"] not in ([], [victim]))
    assert fresh_system.json("worker", "invoke", "counter/alice", "add(5)") == {"result": 5}
    assert fresh_system.stop() == 0


def test_a_place_that_cannot_be_written_to_is_named_without_a_traceback(tmp_path):
    (tmp_path / "file").touch()
    below = str(tmp_path / "file" / "below")
    for option in (["--data", below], ["--data", str(tmp_path / "data"), "--ready-file", below]):
        done = ended(tmp_path, "shem", "up", "--nats-port", "0", *option)
        assert done.returncode == 1
        assert f"{below}" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--nats-port", "--http-port", "--rest-port"])
def test_a_port_that_is_taken_is_told_with_the_option_that_names_it(tmp_path, option):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        ports = {"--nats-port": "0", "--http-port": "0", "--rest-port": "0", option: port}
        done = ended(tmp_path, "shem", "up", *(word for pair in ports.items() for word in pair))

    assert done.returncode == 1
    told = json.loads(done.stderr.splitlines()[-1])["reason"]
    assert port in told
    assert option in told
    assert "ddress already in use" in told
    assert "executor is ready" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_in_options_or_the_environment_is_told_without_a_traceback(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        settings = json.dumps({"label": "e", "cache_dir": "cache", "metrics_port": int(port)})
        wrong = [
            (["shem", "doctor"], {"SHEM_NATS_CLIENT": "none"}, "SHEM_NATS_CLIENT is 'none'"),
            (["shem", "up", "--rest-port", "0"], {}, "--rest-port needs --http-port"),
            (["shem", "up", "--otlp", "collector:4318"], {}, "expected the base URL"),
            (["shem", "up", "--otlp", "grpc://collector:4317"], {}, "expected the base URL"),
            (["shem.executor", settings], {}, f"port {port} of 0.0.0.0"),
        ]
        for words, variables, said in wrong:
            done = ended(tmp_path, *words, **variables)
            assert done.returncode in {1, 2}
            assert said in done.stderr
            assert "Traceback" not in done.stderr
