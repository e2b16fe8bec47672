"""Whatever can be done to a worker can be done in four ways, which come to the same.

The command line, NATS with nothing but docs/MESSAGES.md, the Python client and the management API
each live one worker's life on the same system. The table of operations is compared with the
commands that executors understand and with the endpoints that the NATS service says it has.
"""

import asyncio
import base64
import contextlib
import io
import json
import os
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec
import nats
import pytest
from nats.aio.client import Client as Connection

from actors import command as commands
from shem import Client
from shem.cli.app import main
from shem.errors import ShemError
from shem.records import WorkerStatus
from tests.guests.build import build
from tests.integration.rest.http import Api

pytestmark = pytest.mark.timeout(240)

COMPONENT: Final = "same"
LIMIT_S: Final = 60
# Commands and operations by their names on the wire, and what of the life below shows them.
OF_COMMANDS: Final[Mapping[str, str]] = {
    "create": "new",
    "interrupt": "interrupt",
    "resume": "resume",
    "cancel": "cancel",
    "complete-promise": "promise",
    "revert": "revert",
    "set-retry-policy": "retry",
    "fork": "fork",
    "update": "update",
    "delete": "delete",
    "list-files": "files",
    "read-file": "read",
}
OF_WORKERS: Final[Mapping[str, str]] = {
    "worker.list": "list",
    "worker.get": "get",
    "worker.oplog": "oplog",
    "worker.reindex": "reindex",
    "invocation.get": "invocation",
}


def in_process(url: str, *arguments: str) -> tuple[int, str]:
    """Run the command line inside this process, since starting Python is slow."""
    out = io.TextIOWrapper(io.BytesIO(), write_through=True)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SHEM_NATS_")]:
            patch.delenv(name)
        patch.setenv("SHEM_NATS_URL", url)
        patch.setattr(sys, "argv", ["shem", *arguments])
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(io.StringIO()),
            pytest.raises(SystemExit) as left,
        ):
            main()
    out.seek(0)
    return int(left.value.code or 0), out.read()


class Way:
    """One way to do things to one worker. What it answers is told in the same words by all."""

    def __init__(self, name: str) -> None:
        self.worker = f"life-{name}"


class ByShell(Way):
    def __init__(self, url: str) -> None:
        super().__init__("shell")
        self._url = url

    async def _run(self, *arguments: str) -> Any:
        status, text = await asyncio.to_thread(in_process, self._url, *arguments, "-o", "json")
        document = json.loads(text)
        if status:
            return {"error": document["error"]["kind"]}
        return document

    async def _of(self, verb: str, *arguments: str, noun: str = "worker") -> Any:
        return await self._run(noun, *verb.split(), f"{COMPONENT}/{self.worker}", *arguments)

    async def new(self) -> Any:
        return await self._of("new", "--env", "A=b", "--arg", "x", "--version", "0")

    async def call(self, call: str, key: str) -> Any:
        return (await self._of("invoke", call, "--key", key))["result"]

    async def send(self, call: str, key: str) -> Any:
        return await self._of("invoke", call, "--key", key, "--no-wait")

    async def get(self) -> Any:
        return await self._of("get")

    async def list(self) -> Any:
        return await self._run("worker", "list", f"{COMPONENT}/{self.worker}", "--precise")

    async def oplog(self, query: str) -> Any:
        return await self._of("oplog", "--query", query)

    async def invocation(self, key: str) -> Any:
        return await self._of("invocation", key)

    async def reindex(self) -> Any:
        return await self._run("worker", "reindex", COMPONENT)

    async def interrupt(self, *, recover: bool) -> Any:
        return await self._of("interrupt", *(["--recover"] if recover else []))

    async def resume(self) -> Any:
        return await self._of("resume")

    async def cancel(self, key: str) -> Any:
        return await self._of("cancel", key)

    async def retry(self, policy: str) -> Any:
        return await self._of("set-retry", policy)

    async def revert(self, invocations: int) -> Any:
        return (await self._of("revert", "--invocations", str(invocations))).get("reverted")

    async def fork(self, name: str) -> Any:
        return await self._of("fork", name)

    async def rehearse(self, version: int) -> Any:
        told = await self._of("update", "--version", str(version), "--dry-run")
        return told.get("error") or told["diverges"]

    async def update(self, version: int) -> Any:
        return (await self._of("update", "--version", str(version))).get("error")

    async def promise(self, index: int) -> Any:
        return (await self._of("complete", str(index), noun="promise")).get("error")

    async def files(self, path: str) -> Any:
        return await self._of("files ls", path)

    async def read(self, path: str) -> Any:
        status, text = await asyncio.to_thread(
            in_process, self._url, "worker", "files", "cat", f"{COMPONENT}/{self.worker}", path
        )
        assert status == 0
        return text

    async def delete(self) -> Any:
        return await self._of("delete")


class ByNats(Way):
    """Nothing but subjects, headers and JSON."""

    def __init__(self, connection: Connection) -> None:
        super().__init__("nats")
        self._nats = connection
        self._count = 0

    async def _command(self, command: str, **fields: Any) -> Any:
        self._count += 1
        inbox = self._nats.new_inbox()
        answers = await self._nats.subscribe(inbox)
        body = {"command": command, **{n.replace("_", "-"): v for n, v in fields.items()}}
        await self._nats.jetstream().publish(
            f"shem.control.{COMPONENT}.{self.worker}",
            json.dumps(body).encode(),
            headers={"Shem-Result-To": inbox, "Nats-Msg-Id": f"{inbox}-{self._count}"},
        )
        answer = json.loads((await answers.next_msg(LIMIT_S)).data)
        await answers.unsubscribe()
        return {"error": answer["error"]["kind"]} if "error" in answer else answer["ok"]

    async def _ask(self, operation: str, **fields: Any) -> Any:
        subject = f"shem.api.{operation}"
        reply = await self._nats.request(subject, json.dumps(fields).encode(), timeout=LIMIT_S)
        answer = json.loads(reply.data)
        return {"error": answer["error"]["kind"]} if "error" in answer else answer["ok"]

    async def _mine(self, operation: str, **fields: Any) -> Any:
        return await self._ask(operation, component=COMPONENT, worker=self.worker, **fields)

    async def new(self) -> Any:
        return await self._command("create", env={"A": "b"}, args=["x"], version=0)

    async def call(self, call: str, key: str) -> Any:
        subject = f"shem.call.{COMPONENT}.{self.worker}"
        headers = {"Shem-Key": key}
        reply = await self._nats.request(subject, call.encode(), timeout=LIMIT_S, headers=headers)
        return json.loads(reply.data)["result"]

    async def send(self, call: str, key: str) -> Any:
        await self._nats.jetstream().publish(
            f"shem.invoke.{COMPONENT}.{self.worker}", call.encode(), headers={"Shem-Key": key}
        )

    async def get(self) -> Any:
        return await self._mine("worker.get")

    async def list(self) -> Any:
        asked = {"component": COMPONENT, "prefix": self.worker, "precise": True}
        return (await self._ask("worker.list", **asked))["workers"]

    async def oplog(self, query: str) -> Any:
        return (await self._mine("worker.oplog", query=query))["entries"]

    async def invocation(self, key: str) -> Any:
        return await self._mine("invocation.get", key=key)

    async def reindex(self) -> Any:
        return await self._ask("worker.reindex", component=COMPONENT)

    async def interrupt(self, *, recover: bool) -> Any:
        return await self._command("interrupt", recover=recover)

    async def resume(self) -> Any:
        return await self._command("resume")

    async def cancel(self, key: str) -> Any:
        return await self._command("cancel", key=key)

    async def retry(self, policy: str) -> Any:
        return await self._command("set-retry-policy", policy=policy)

    async def revert(self, invocations: int) -> Any:
        return (await self._command("revert", invocations=invocations)).get("reverted")

    async def fork(self, name: str) -> Any:
        return await self._command("fork", worker=name)

    async def rehearse(self, version: int) -> Any:
        return (await self._command("update", version=version, dry_run=True))["diverges"]

    async def update(self, version: int) -> Any:
        answer = await self._command("update", version=version)
        await until(self.get, lambda found: "pending-update" not in found)
        return answer.get("error")

    async def promise(self, index: int) -> Any:
        data = base64.b64encode(b"").decode()
        return (await self._command("complete-promise", index=index, data=data)).get("error")

    async def files(self, path: str) -> Any:
        return (await self._command("list-files", path=path))["entries"]

    async def read(self, path: str) -> Any:
        piece = await self._command("read-file", path=path)
        return base64.b64decode(piece["data"]).decode()

    async def delete(self) -> Any:
        return await self._command("delete")


class ByPython(Way):
    def __init__(self, client: Client) -> None:
        super().__init__("python")
        self._client = client
        self._handle = client.worker(COMPONENT, self.worker)

    async def new(self) -> Any:
        created = self._handle.create(env={"A": "b"}, args=["x"], version=0)
        return await caught(created)

    async def call(self, call: str, key: str) -> Any:
        return json.loads(await self._handle.call_wave(call, key=key) or "null")

    async def send(self, call: str, key: str) -> Any:
        await self._handle.send(call.encode(), key=key)

    async def get(self) -> Any:
        return await caught(self._handle.status())

    async def list(self) -> Any:
        found = self._client.workers(COMPONENT, prefix=self.worker, precise=True)
        return [each async for each in found]

    async def oplog(self, query: str) -> Any:
        return [each async for each in self._handle.oplog(query=query)]

    async def invocation(self, key: str) -> Any:
        return await caught(self._handle.invocation(key))

    async def reindex(self) -> Any:
        return await self._client.reindex(COMPONENT)

    async def interrupt(self, *, recover: bool) -> Any:
        await self._handle.interrupt(recover=recover)

    async def resume(self) -> Any:
        await self._handle.resume()

    async def cancel(self, key: str) -> Any:
        return await self._handle.cancel(key)

    async def retry(self, policy: str) -> Any:
        return await caught(self._handle.set_retry_policy(policy))

    async def revert(self, invocations: int) -> Any:
        return await self._handle.revert(invocations=invocations)

    async def fork(self, name: str) -> Any:
        return await caught(self._handle.fork(name))

    async def rehearse(self, version: int) -> Any:
        return await self._handle.rehearse_update(version) is not None

    async def update(self, version: int) -> Any:
        found = await caught(self._handle.update(version))
        if found is None:
            await self._handle.wait_for_update(version)
            return None
        return found["error"]

    async def promise(self, index: int) -> Any:
        found = await caught(self._handle.complete_promise(index))
        return found["error"] if isinstance(found, dict) else None

    async def files(self, path: str) -> Any:
        return [each async for each in self._handle.files(path)]

    async def read(self, path: str) -> Any:
        return b"".join([each async for each in self._handle.read_file(path)]).decode()

    async def delete(self) -> Any:
        await self._handle.delete()


class ByHttp(Way):
    def __init__(self, api: Api) -> None:
        super().__init__("http")
        self._api = api

    async def _ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        answer = await asyncio.to_thread(self._api, method, path, body, **headers)
        if answer.status >= 400:
            return {"error": answer.json["type"].rpartition(":")[2]}
        if not answer.data:
            return None
        is_json = "json" in answer.headers.get("content-type", "")
        return answer.json if is_json else answer.data.decode()

    async def _of(self, method: str, path: str = "", body: Any = None, **headers: str) -> Any:
        place = f"/components/{COMPONENT}/workers/{self.worker}{path}"
        return await self._ask(method, place, body, **headers)

    async def new(self) -> Any:
        body = {"name": self.worker, "env": {"A": "b"}, "args": ["x"], "version": 0}
        return await self._ask("POST", f"/components/{COMPONENT}/workers", body)

    async def call(self, call: str, key: str) -> Any:
        name, _, rest = call.partition("(")
        body = {"function": name, "params": json.loads(f"[{rest.removesuffix(')')}]")}
        found = await self._of("POST", "/invoke-and-await", body, Idempotency_Key=key)
        return found["result"]

    async def send(self, call: str, key: str) -> Any:
        name, _, rest = call.partition("(")
        body = {"function": name, "params": json.loads(f"[{rest.removesuffix(')')}]")}
        await self._of("POST", "/invoke", body, Idempotency_Key=key)

    async def get(self) -> Any:
        return await self._of("GET")

    async def list(self) -> Any:
        path = f"/components/{COMPONENT}/workers?prefix={self.worker}"
        # Answered from the index, which follows within some seconds.
        found = await until(
            lambda: self._ask("GET", path),
            lambda found: [each.get("retry") for each in found["workers"]] == ["attempts=7,max=1m"],
        )
        return found["workers"]

    async def oplog(self, query: str) -> Any:
        return (await self._of("GET", f"/oplog?query={quote(query)}"))["entries"]

    async def invocation(self, key: str) -> Any:
        return await self._of("GET", f"/invocations/{key}")

    async def reindex(self) -> Any:
        return await self._ask("POST", f"/components/{COMPONENT}/index")

    async def interrupt(self, *, recover: bool) -> Any:
        return await self._of("POST", f"/interrupt?recover={str(recover).lower()}")

    async def resume(self) -> Any:
        return await self._of("POST", "/resume")

    async def cancel(self, key: str) -> Any:
        return await self._of("DELETE", f"/invocations/{key}")

    async def retry(self, policy: str) -> Any:
        return await self._of("PUT", "/retry-policy", {"policy": policy})

    async def revert(self, invocations: int) -> Any:
        return (await self._of("POST", "/revert", {"invocations": invocations}))["reverted"]

    async def fork(self, name: str) -> Any:
        return await self._of("POST", "/fork", {"worker": name})

    async def rehearse(self, version: int) -> Any:
        body = {"version": version, "dry-run": True}
        return (await self._of("POST", "/update", body))["diverges"]

    async def update(self, version: int) -> Any:
        answer = await self._of("POST", "/update", {"version": version})
        await until(self.get, lambda found: found.get("pending-update") is None)
        return answer.get("error")

    async def promise(self, index: int) -> Any:
        return (await self._of("POST", f"/promises/{index}/complete", {})).get("error")

    async def files(self, path: str) -> Any:
        return (await self._of("GET", f"/files{path}"))["files"]

    async def read(self, path: str) -> Any:
        return await self._of("GET", f"/file-contents{path}")

    async def delete(self) -> Any:
        return await self._of("DELETE")


async def caught(asked: Any) -> Any:
    try:
        return await asked
    except ShemError as error:
        return {"error": error.kind}


async def until(ask: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(LIMIT_S):
        while not holds(found := await ask()):  # noqa: ASYNC110 - another process knows
            await asyncio.sleep(0.05)
        return found


def plain(value: Any) -> Any:
    return msgspec.to_builtins(value)


def error_of(value: Any) -> str | None:
    found = plain(value)
    kind = found.get("error") if isinstance(found, dict) else None
    return str(kind) if kind is not None else None


def status_of(value: Any, worker: str) -> dict[str, Any]:
    """What must be the same of a status, whatever the worker's name and the time."""
    found = msgspec.convert(plain(value), WorkerStatus)
    assert found.worker == worker
    assert found.created_at_ms > 0
    assert found.env.pop("SHEM_WORKER_NAME") == worker
    told: dict[str, Any] = plain(found)
    return {n: v for n, v in told.items() if n not in {"worker", "created-at-ms", "component"}}


async def live(way: Any) -> dict[str, Any]:
    """Do everything once, in an order that makes sense; return what was answered."""
    told: dict[str, Any] = {}
    assert error_of(await way.new()) is None
    told["new"] = error_of(await way.new())
    told["call"] = await way.call("add(2)", "k1")
    await way.interrupt(recover=False)
    await way.send("add(3)", "k2")
    await way.send("add(10)", "k3")
    await until(way.get, lambda found: status_of(found, way.worker)["pending"] == 2)
    told["interrupt"] = status_of(await way.get(), way.worker)
    await way.cancel("k3")
    told["cancel"] = plain(await way.invocation("k3"))["error"]["kind"]
    await way.resume()
    await until(lambda: way.invocation("k2"), lambda found: plain(found)["state"] == "done")
    told["invocation"] = {
        name: plain(await way.invocation("k2"))[name] for name in ("state", "result", "function")
    }
    told["unknown invocation"] = error_of(await way.invocation("nothing"))
    await way.interrupt(recover=True)
    told["resume"] = await way.call("get()", "k4")
    told["bad retry"] = error_of(await way.retry("often"))
    told["retry"] = error_of(await way.retry("attempts=7,max=1m"))
    told["rehearse"] = plain(await way.rehearse(1))
    told["bad update"] = await way.update(99)
    told["update"] = await way.update(1)
    told["get"] = status_of(await way.get(), way.worker)
    told["list"] = [status_of(each, way.worker) for each in await way.list()]
    told["bad fork"] = error_of(await way.fork(way.worker))
    told["fork"] = error_of(await way.fork(f"copy-of-{way.worker}"))
    told["revert"] = await way.revert(1)
    told["promise"] = await way.promise(1)
    listed = plain(await way.files("/data"))
    told["files"] = [(each["name"], each["type"], each["size"]) for each in listed]
    told["read"] = await way.read("/data/greeting.txt")
    # No hexadecimal digits alone, of which names of lives are made.
    entries = plain(await way.oplog("exported OR update"))
    told["oplog"] = [
        (each["index"], each["entry"]["type"], each["entry"].get("idempotency-key"))
        for each in entries
    ]
    indexed = plain(await way.reindex())
    told["reindex"] = indexed["indexed"] >= 2
    assert error_of(await way.delete()) is None
    told["delete"] = error_of(await way.get())
    return told


@pytest.fixture(scope="module", autouse=True)
def component(admin: Api) -> None:
    body = {
        "component": base64.b64encode(build("load").read_bytes()).decode(),
        "files": [{"path": "/data/greeting.txt", "content": base64.b64encode(b"hello").decode()}],
        "snapshots": "never",
        "retry": "attempts=2",
        "memory": "max=64MiB",
        "history": "archive",
    }
    for version in range(2):
        made = admin("POST", f"/components/{COMPONENT}/versions", body)
        assert (made.status, made.json["version"]) == (201, version), made.data
        told = [made.json[name] for name in ("retry", "memory", "history")]
        assert told == ["attempts=2", "max=64MiB", "archive"]


async def test_all_ways_come_to_the_same(system: Any, admin: Api) -> None:
    connection = await nats.connect(system.url)
    try:
        async with await Client.connect(system.url) as client:
            ways = (ByShell(system.url), ByNats(connection), ByPython(client), ByHttp(admin))
            told = [await live(way) for way in ways]
    finally:
        await connection.close()
    first = told[0]
    for way, other in zip(ways[1:], told[1:], strict=True):
        for what, answer in first.items():
            assert other[what] == answer, (type(way).__name__, what)
    assert first["call"] == 2
    assert first["invocation"] == {
        "state": "done",
        "result": 5,
        "function": "demo:counter/api.{add}",
    }
    assert (first["resume"], first["rehearse"], first["update"]) == (5, False, None)
    assert first["get"]["retry"] == "attempts=7,max=1m"
    assert first["get"]["component-version"] == 1
    assert first["files"] == [("greeting.txt", "regular-file", 5)]
    assert first["read"] == "hello"
    kinds = {
        "new": "worker-exists",
        "unknown invocation": "unknown-invocation",
        "cancel": "cancelled",
        "bad retry": "bad-request",
        "bad update": "unknown-component",
        "bad fork": "cannot-fork",
        "promise": "unknown-promise",
        "delete": "unknown-worker",
    }
    assert {what: first[what] for what in kinds} == kinds


async def test_the_table_has_every_operation_there_is(system: Any) -> None:
    known = {str(each.__struct_config__.tag) for each in typing.get_args(commands._Known)}
    assert known == set(OF_COMMANDS)
    connection = await nats.connect(system.url)
    try:
        reply = await connection.request("$SRV.INFO.shem", b"", timeout=LIMIT_S)
        pinged = json.loads((await connection.request("$SRV.PING", b"", timeout=LIMIT_S)).data)
    finally:
        await connection.close()
    info = json.loads(reply.data)
    assert (pinged["name"], info["type"]) == ("shem", "io.nats.micro.v1.info_response")
    offered = {each["subject"] for each in info["endpoints"]}
    assert "shem.call.*.*" in offered
    of_workers = {
        subject.removeprefix("shem.api.")
        for subject in offered
        if subject.startswith(("shem.api.worker.", "shem.api.invocation."))
    }
    assert of_workers == set(OF_WORKERS)
    for verb in {*OF_COMMANDS.values(), *OF_WORKERS.values(), "call", "send"}:
        for way in (ByShell, ByNats, ByPython, ByHttp):
            assert hasattr(way, verb), (way.__name__, verb)
