"""A secret that a guest reads: right after crashes and rotation, and written nowhere."""

import asyncio
import hashlib
import json
from pathlib import Path

import pytest

from actors.secrets import KeyRing
from broker.jetstream.connect import ConnectOptions, connect
from tests.guests.build import build
from tests.integration.system.whole import Whole

WORKER = "probe/alice"
FIRST, SECOND = "correct-horse-battery-staple", "another-horse-altogether"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def told(whole: Whole, code: str, *options: str) -> object:
    """Run code in the guest and return what it says, as JSON."""
    done = whole.json(
        "worker", "invoke", WORKER, "api/run", "--params", json.dumps([code]), *options
    )
    return json.loads(done["result"]["ok"])


@pytest.fixture
def whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = Whole(tmp_path)
    monkeypatch.setenv("SHEM_SECRETS_KEY_FILE", str(tmp_path / "secrets.key"))
    made.run("secret", "keygen", str(tmp_path / "secrets.key"))
    try:
        made.start()
        yield made
    finally:
        made.kill()


def set_secret(whole: Whole, tmp_path: Path, value: str) -> int:
    file = tmp_path / "value"
    file.write_text(f"{value}\n")
    made = whole.json("secret", "set", "probe/api-key", "--file", str(file))
    file.unlink()
    return int(made["version"])


@pytest.mark.timeout(240)
def test_a_secret_is_read_rotated_and_replayed_and_stands_nowhere(whole: Whole, tmp_path: Path):
    whole.add("probe", "probe")
    assert set_secret(whole, tmp_path, FIRST) == 1
    read = "key = config.get('secret:api-key')\n"
    hashed = "hashlib.sha256({}.encode()).hexdigest()"
    spoken = "print('the key is', key)\nlogging.log(logging.Level.WARN, key, key)\n"
    assert told(whole, read + spoken + hashed.format("key")) == digest(FIRST)
    assert told(whole, "config.get('secret:no-such')") is None
    assert told(whole, "[k for k, _ in config.get_all() if 'secret' in k]") == []

    assert set_secret(whole, tmp_path, SECOND) == 2
    assert told(whole, "new = config.get('secret:api-key')\n" + hashed.format("new")) == digest(
        SECOND
    )
    for process in (whole.executors[0], whole.server):
        process.kill()
    whole.server.start()
    whole.executors[0].start()
    whole.executors[0].wait_until_ready()
    # What was read stays what it was.
    both = f"[{hashed.format('key')}, {hashed.format('new')}]"
    assert told(whole, both) == [digest(FIRST), digest(SECOND)]

    # A guest saved with it in its memory.
    component = str(build("probe"))
    whole.json("component", "add", "probe", component, "--snapshots", "every=1")
    whole.json("worker", "update", WORKER, "--version", "1", "--mode", "automatic")
    for _ in range(3):
        assert told(whole, both) == [digest(FIRST), digest(SECOND)]
    assert asyncio.run(snapshots_are_concealed(whole.server.url)) >= 1
    whole.executors[0].kill()
    whole.executors[0].start()
    whole.executors[0].wait_until_ready()
    assert told(whole, both) == [digest(FIRST), digest(SECOND)]

    whole.json("backup", "create", str(tmp_path / "saved"))
    shown = [
        whole.run("worker", "oplog", WORKER, "-o", "json").stdout,
        whole.run("worker", "get", WORKER, "-o", "json").stdout,
        whole.run("secret", "list", "-o", "json").stdout,
        whole.run("component", "get", "probe", "-o", "json").stdout,
    ]
    assert "api-key" in shown[0]
    assert "[secret]" in shown[0]
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    for value in (FIRST, SECOND):
        for text in shown:
            assert value not in text
        for file in files:
            assert value.encode() not in file.read_bytes(), file

    whole.json("secret", "delete", "probe/api-key", "--version", "2")
    assert whole.json("secret", "list", "probe")[0]["versions"] == [1]


@pytest.mark.timeout(240)
def test_a_worker_waits_for_a_key_that_its_executor_does_not_have(whole: Whole, tmp_path: Path):
    whole.add("probe", "probe")
    set_secret(whole, tmp_path, FIRST)
    keys = tmp_path / "secrets.key"
    right = keys.read_text()
    keys.unlink()
    whole.run("secret", "keygen", str(keys))
    executor = whole.executors[0]
    executor.kill()
    executor.start()
    executor.wait_until_ready()
    assert told(whole, "1 + 1") == 2
    read = json.dumps(
        ["__import__('hashlib').sha256(config.get('secret:api-key').encode()).hexdigest()"]
    )
    options = ("api/run", "--params", read, "--key", "once", "--timeout", "6")
    early = whole.run("worker", "invoke", WORKER, *options)
    assert early.returncode == 1
    assert "timeout" in early.stderr
    assert whole.json("worker", "get", WORKER)["last-error"] is None
    # Nobody has to start anything anew.
    keys.write_text(keys.read_text() + right)
    done = whole.json("worker", "invoke", WORKER, *options[:-1], "60")
    assert json.loads(done["result"]["ok"]) == digest(FIRST)
    named = whole.json("secret", "reencrypt")
    assert named == {"reencrypted": 1, "key": KeyRing.of_file(keys).first}


async def snapshots_are_concealed(url: str) -> int:
    broker = await connect(ConnectOptions(servers=(url,), assume_durable=True))
    names = await broker.blobs.names("snapshot/")
    for name in names:
        assert (await broker.blobs.get(name)).startswith(b"SHEMHIDE"), name
    await broker.close()
    return len(names)
