"""What each identity of a generated configuration may do, tried out against a real server."""

import asyncio
import json
import os
import shlex
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import nats
import nats.errors
import pytest

from broker.embedded import find_server
from broker.jetstream.auth import read_creds
from broker.jetstream.connect import ConnectOptions, connect
from broker.permissions import Permissions
from broker.subjects import partition_of
from shem.deploy import BundleOptions, write_bundle
from shem.deploy.certificates import CERTIFICATE_DAYS
from shem.deploy.jwt import creds_text, user_jwt
from shem.deploy.keys import KeyKind, kept_key
from tests.chaos.cluster import ROOT, Executor, Process, free_ports
from tests.guests.build import build

LIMIT_S = 30
NAMESPACES = ("shop", "lab")
LOG = f"shem.oplog.{partition_of('counter', 'alice', 16)}.counter.alice.log"


class Secured:
    """One server with TLS and two namespaces, with an executor in each."""

    def __init__(self, folder: Path, streams: int = 1, *, jwt: bool = False) -> None:
        self.folder = folder
        self.jwt = jwt
        self.streams = streams
        (self.port,) = free_ports(1)
        options = BundleOptions(
            hosts=("localhost",),
            port=self.port,
            namespaces=NAMESPACES,
            clients=("webshop",),
            prefix=str(folder),
            store_dir=str(folder / "data"),
            monitor=None,
            sync="2m",
            streams=streams,
            jwt=jwt,
        )
        write_bundle(folder, options, datetime.now(UTC))

    def environment(self, namespace: str, name: str) -> dict[str, str]:
        lines = (self.folder / "identities" / namespace / f"{name}.env").read_text().splitlines()
        return dict(shlex.split(line)[0].split("=", 1) for line in lines)

    def start(self) -> None:
        with (self.folder / "server.log").open("wb") as log:
            self.server = subprocess.Popen(
                [str(find_server()), "-c", str(self.folder / "nats-0.conf")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + LIMIT_S
        while b"Server is ready" not in (self.folder / "server.log").read_bytes():
            assert self.server.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for namespace in NAMESPACES:
            asyncio.run(self.make_streams(namespace))
        self.executors = [Secure(self, namespace) for namespace in NAMESPACES]
        for executor in self.executors:
            executor.start()
        for executor in self.executors:
            executor.wait_until_ready()

    async def make_streams(self, namespace: str) -> None:
        """Make them as the first executor of a namespace does."""
        environment = self.environment(namespace, "executor")
        options = ConnectOptions(
            servers=(environment["SHEM_NATS_URL"],),
            nkey_seed_file=None if self.jwt else Path(environment["SHEM_NATS_NKEY"]),
            creds_file=Path(environment["SHEM_NATS_CREDS"]) if self.jwt else None,
            tls_ca=Path(environment["SHEM_NATS_CA"]),
            inbox_prefix=environment["SHEM_NATS_INBOX"],
            streams=self.streams,
        )
        await (await connect(options)).close()

    def stop(self) -> None:
        for executor in self.executors:
            executor.kill()
        self.server.kill()
        self.server.wait()

    def shem(
        self, namespace: str, name: str, *words: str, **more: str
    ) -> "subprocess.CompletedProcess[str]":
        inherited = {key: text for key, text in os.environ.items() if not key.startswith("SHEM_")}
        return subprocess.run(
            [sys.executable, "-m", "shem", *words],
            env={**inherited, "PYTHONPATH": str(ROOT), **self.environment(namespace, name), **more},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    async def connect(
        self, namespace: str, name: str, errors: list[str], *, closed: Any = None
    ) -> Any:
        environment = self.environment(namespace, name)

        async def note(error: Exception) -> None:
            errors.append(str(error))

        return await nats.connect(
            environment["SHEM_NATS_URL"],
            nkeys_seed=environment.get("SHEM_NATS_NKEY"),
            user_credentials=environment.get("SHEM_NATS_CREDS"),
            tls=ssl.create_default_context(cafile=environment["SHEM_NATS_CA"]),
            inbox_prefix=environment["SHEM_NATS_INBOX"],
            error_cb=note,
            connect_timeout=LIMIT_S,
            disconnected_cb=closed,
            allow_reconnect=closed is None,
            max_reconnect_attempts=1,
            reconnect_time_wait=0.1,
        )


class Secure(Executor):
    """An executor with the identity that was made for it."""

    def __init__(self, secured: Secured, namespace: str) -> None:
        super().__init__(NAMESPACES.index(namespace), secured.folder, [""])
        self._secured = secured
        self._namespace = namespace

    def environment(self) -> dict[str, str]:
        return self._secured.environment(self._namespace, "executor")


class Bundled(Process):
    """A server with a bundle's configuration."""

    def __init__(self, folder: Path) -> None:
        super().__init__("server", folder)
        self._config = folder / "nats-0.conf"

    def command(self) -> list[str]:
        return [str(find_server()), "-c", str(self._config)]


@pytest.fixture(
    scope="module",
    params=[(1, False), (3, False), (1, True), (3, True)],
    ids=["1-streams", "3-streams", "jwt-1-streams", "jwt-3-streams"],
)
def secured(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Secured]:
    streams, jwt = request.param
    made = Secured(tmp_path_factory.mktemp("secured"), streams, jwt=jwt)
    made.executors = []
    try:
        made.start()
        added = made.shem("shop", "operator", "component", "add", "counter", str(build("load")))
        assert added.returncode == 0, added.stderr
        yield made
    finally:
        made.stop()


async def refused(
    secured: Secured, who: str, action: str, subject: str, *, patience_s: float
) -> bool:
    """Whether the server refuses an identity of the namespace `shop` to do something."""
    errors: list[str] = []
    connection = await secured.connect("shop", who, errors)
    try:
        if action == "publish":
            await connection.publish(subject, b"{}")
        else:
            await connection.subscribe(subject)
        # With the answer to a ping the refusal is here; the library tells us of it a little later.
        await connection.flush(LIMIT_S)
        deadline = time.monotonic() + patience_s
        while not errors and time.monotonic() < deadline:  # noqa: ASYNC110 - the library has no event
            await asyncio.sleep(0.01)
        return any("permissions violation" in each.lower() for each in errors)
    finally:
        await connection.close()


REFUSED = [
    ("client", "publish", LOG, "write a log"),
    ("client", "publish", LOG.replace(".log", ".snap"), "point at a snapshot of its own"),
    ("client", "publish", "shem.control.counter.alice", "control a worker"),
    ("client", "publish", "shem.reply.counter.alice", "answer for another worker"),
    ("client", "publish", "shem.sched.counter.alice.x", "schedule, for any target"),
    ("client", "publish", LOG.replace(".log", ".in.control"), "go around the transform"),
    ("client", "publish", LOG.replace(".log", ".sched.x"), "schedule, for any target"),
    ("client", "publish", "$JS.API.STREAM.MSG.GET.SHEM_OPLOG_1", "read logs"),
    ("client", "publish", "$JS.API.STREAM.PURGE.SHEM_OPLOG_2", "empty mailboxes"),
    ("gateway", "publish", "$JS.API.STREAM.DELETE.SHEM_OPLOG_1", "delete everything"),
    ("client", "publish", "shem.api.component.add", "upload a component"),
    ("client", "publish", "shem.api.worker.delete", "manage workers"),
    ("client", "publish", "shem.result.counter.alice", "announce results"),
    ("client", "publish", "$O.SHEM_CODE.C.x", "write native code"),
    ("client", "publish", "$O.SHEM_BLOBS.C.x", "replace components and values"),
    ("client", "publish", "$KV.SHEM_COMPONENTS.counter", "replace a component's record"),
    ("client", "publish", "$KV.SHEM_MEMBERS.e0", "pass for an executor"),
    ("client", "publish", "$JS.API.STREAM.DELETE.SHEM_OPLOG", "delete everything"),
    ("client", "publish", "$JS.API.STREAM.PURGE.SHEM_OPLOG", "empty mailboxes"),
    ("client", "publish", "$JS.API.STREAM.MSG.GET.SHEM_OPLOG", "read logs"),
    ("client", "publish", "$JS.API.DIRECT.GET.SHEM_OPLOG", "read logs directly"),
    ("client", "publish", "$JS.API.CONSUMER.CREATE.SHEM_OPLOG.x", "consume mailboxes"),
    ("client", "publish", "$JS.API.STREAM.CREATE.MIRROR", "mirror the stream"),
    ("client", "publish", "$JS.API.STREAM.SNAPSHOT.SHEM_OPLOG", "take a backup"),
    ("observer", "publish", "$JS.API.STREAM.SNAPSHOT.SHEM_OPLOG", "take a backup"),
    ("gateway", "publish", "$JS.API.STREAM.SNAPSHOT.SHEM_OPLOG", "take a backup"),
    ("executor", "publish", "$JS.API.STREAM.RESTORE.SHEM_OPLOG", "restore a backup"),
    ("client", "publish", "_INBOX.webshop.x", "answer for the executors"),
    ("client", "subscribe", "_INBOX.webshop.>", "hear the answers of another client"),
    ("client", "subscribe", "_INBOX.>", "hear everybody's answers"),
    ("client", "subscribe", "shem.>", "hear everything"),
    ("client", "subscribe", "shem.result.>", "hear the results of others"),
    ("client", "subscribe", "shem.call.*.*", "take the calls of others"),
    ("client", "subscribe", "shem.oplog.>", "hear logs being written"),
    ("observer", "publish", "shem.invoke.counter.alice", "invoke"),
    ("observer", "publish", "shem.control.counter.alice", "control"),
    ("observer", "publish", "$JS.API.DIRECT.GET.SHEM_OPLOG", "read logs"),
    ("observer", "subscribe", "shem.result.>", "hear results"),
    ("gateway", "publish", LOG, "write a log"),
    ("gateway", "publish", "$O.SHEM_CODE.C.x", "write native code"),
    ("gateway", "publish", "$JS.API.STREAM.DELETE.SHEM_OPLOG", "delete everything"),
    ("gateway", "subscribe", "shem.api.>", "pass for an executor"),
    ("gateway", "subscribe", "shem.call.>", "take calls"),
    ("client", "publish", "$KV.SHEM_SECRETS.shop.x", "write secrets"),
    ("client", "publish", "$JS.API.DIRECT.GET.KV_SHEM_SECRETS", "read secrets"),
    ("operator", "publish", "$KV.SHEM_SECRETS.shop.x", "write secrets around the executors"),
    ("observer", "publish", "shem.api.worker.delete", "manage workers"),
    ("observer", "publish", "shem.api.component.add", "upload a component"),
    ("observer", "publish", "$JS.API.STREAM.MSG.GET.SHEM_OPLOG", "read logs from the leader"),
    ("observer", "publish", "$JS.API.STREAM.DELETE.SHEM_OPLOG", "delete everything"),
    ("operator", "publish", LOG, "write a log"),
    ("operator", "publish", "$O.SHEM_CODE.C.x", "write native code"),
    ("operator", "subscribe", "shem.call.>", "take calls"),
    ("executor", "publish", "$JS.API.STREAM.DELETE.SHEM_OPLOG", "delete everything"),
    ("executor", "publish", "$JS.API.STREAM.UPDATE.SHEM_OPLOG", "change the stream"),
    ("executor", "publish", "$JS.API.STREAM.DELETE.KV_SHEM_COMPONENTS", "delete a bucket"),
]


@pytest.mark.parametrize(
    ("who", "action", "subject"),
    [case[:3] for case in REFUSED],
    ids=[f"{who} cannot {what}" for who, _, _, what in REFUSED],
)
async def test_it_is_refused(secured: Secured, who: str, action: str, subject: str):
    assert await refused(secured, who, action, subject, patience_s=LIMIT_S)


ALLOWED = [
    ("client", "publish", "shem.invoke.counter.refusals"),
    ("observer", "subscribe", "shem.event.>"),
    ("operator", "publish", "shem.control.counter.nobody"),
    ("executor", "publish", "shem.event.counter.alice"),
]


@pytest.mark.parametrize(("who", "action", "subject"), ALLOWED)
async def test_what_is_not_refused_is_noticed(secured, who, action, subject):
    assert not await refused(secured, who, action, subject, patience_s=0.5)


def test_a_client_invokes_and_gets_its_answer(secured: Secured):
    for who in ("client", "webshop"):
        done = secured.shem("shop", who, "worker", "invoke", "counter/alice", "get()", "-o", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"result": 0}


def test_a_client_is_told_what_it_may_not(secured: Secured):
    done = secured.shem("shop", "client", "worker", "delete", "counter/alice")
    assert done.returncode == 1
    assert "permission" in done.stderr.lower()


def test_namespaces_see_nothing_of_each_other(secured: Secured):
    listed = secured.shem("lab", "operator", "component", "list", "-o", "json")
    assert json.loads(listed.stdout) == []
    done = secured.shem("lab", "client", "worker", "invoke", "counter/alice", "get()")
    assert done.returncode == 1
    assert "unknown-component" in done.stderr


async def test_a_message_does_not_cross_namespaces(secured: Secured):
    heard: list[bytes] = []
    lab = await secured.connect("lab", "operator", [])
    shop = await secured.connect("shop", "executor", [])

    async def note(message: Any) -> None:
        heard.append(message.data)

    await lab.subscribe("shem.event.>", cb=note)
    await lab.flush()
    await shop.publish("shem.event.counter.alice", b"{}")
    await shop.flush()
    await lab.flush()
    assert heard == []
    await lab.close()
    await shop.close()


def test_who_has_no_key_or_speaks_in_clear_is_refused(secured: Secured):
    url = f"nats://localhost:{secured.port}"
    environments = [{"SHEM_NATS_URL": url}]
    key = kept_key(secured.folder / "stranger.nk", KeyKind.USER)
    own = secured.environment("shop", "client")
    if secured.jwt:
        # Signed, with all rights, but by an account that the operator does not know.
        account = kept_key(secured.folder / "stranger-account.nk", KeyKind.ACCOUNT)
        may = Permissions(publish=(">",), subscribe=(">",))
        claims = user_jwt(account, key.public, "stranger", may, at_s=int(time.time()))
        forged = secured.folder / "stranger.creds"
        forged.write_text(creds_text(claims, key.seed))
        # Another one's claims, with a key that they are not for.
        stolen = secured.folder / "stolen.creds"
        theirs, _ = read_creds(Path(own["SHEM_NATS_CREDS"]))
        stolen.write_text(creds_text(theirs, key.seed))
        environments += [{**own, "SHEM_NATS_CREDS": str(file)} for file in (forged, stolen)]
    else:
        environments.append({**own, "SHEM_NATS_NKEY": str(secured.folder / "stranger.nk")})
    for environment in environments:
        inherited = {key: text for key, text in os.environ.items() if not key.startswith("SHEM_")}
        done = subprocess.run(
            [sys.executable, "-m", "shem", "worker", "get", "counter/alice"],
            env={**inherited, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1, done.stdout
        assert "authorization" in done.stderr.lower() or environment["SHEM_NATS_URL"] == url


def test_an_observer_and_an_operator_look_at_the_deployment(secured: Secured):
    for who in ("observer", "operator"):
        done = secured.shem("shop", who, "doctor", "--json")
        findings = json.loads(done.stdout)["findings"]
        found = {each["check"]: each["level"] for each in findings}
        assert found["identity"] == found["encryption"] == found["streams"] == "ok", findings
        assert found["executors"] == "ok"
        # What nobody may see is how the server syncs, which its monitoring endpoint tells.
        assert "permissions" not in found, findings


def test_a_client_is_told_by_the_doctor_what_it_cannot_see(secured: Secured):
    done = secured.shem("shop", "client", "doctor", "--json")
    findings = json.loads(done.stdout)["findings"]
    unseen = [each for each in findings if each["check"] == "permissions"]
    assert unseen, findings
    assert {each["level"] for each in unseen} == {"unknown"}


def test_an_operator_backs_its_namespace_up(secured: Secured, tmp_path: Path):
    done = secured.shem("shop", "operator", "backup", "create", str(tmp_path / "saved"))
    assert done.returncode == 0, done.stderr
    tried = secured.shem("shop", "operator", "backup", "verify", str(tmp_path / "saved"))
    assert tried.returncode == 0, tried.stderr


@pytest.mark.parametrize("way", ["nkeys", "jwt"])
async def test_an_identity_that_is_left_out_is_refused_from_the_reload_on(
    tmp_path: Path, way: str
) -> None:
    (port,) = free_ports(1)
    options = BundleOptions(
        port=port, namespaces=("shop",), clients=("webshop", "kiosk"), prefix=str(tmp_path),
        store_dir=str(tmp_path / "data"), monitor=None, sync="2m", jwt=way == "jwt",
    )  # fmt: skip
    secured = Secured.__new__(Secured)
    secured.folder = tmp_path
    write_bundle(tmp_path, options, datetime.now(UTC) - timedelta(hours=1))
    server = Bundled(tmp_path)
    server.start()
    try:
        server.wait_for_words("Server is ready")
        closed = asyncio.Event()

        async def note() -> None:
            closed.set()

        staying = await secured.connect("shop", "kiosk", [])
        leaving = await secured.connect("shop", "webshop", [], closed=note)
        left = msgspec.structs.replace(options, clients=("kiosk",))
        write_bundle(tmp_path, left, datetime.now(UTC))
        os.kill(server.pid, signal.SIGHUP)
        async with asyncio.timeout(LIMIT_S):
            await closed.wait()
        errors: list[str] = []
        with pytest.raises(nats.errors.NoServersError):
            await secured.connect("shop", "webshop", errors)
        assert "authorization violation" in " ".join(errors).lower()
        await staying.flush(LIMIT_S)
        await staying.close()
        await leaving.close()
    finally:
        server.kill()


@pytest.mark.parametrize("way", ["nkeys", "jwt"])
@pytest.mark.parametrize("still", [True, False], ids=["replaced", "left-out"])
async def test_a_key_that_others_know_is_refused_once_its_files_are_gone(
    tmp_path: Path, way: str, *, still: bool
) -> None:
    (port,) = free_ports(1)
    options = BundleOptions(
        port=port, namespaces=("shop",), clients=("webshop",), prefix=str(tmp_path),
        store_dir=str(tmp_path / "data"), monitor=None, sync="2m", jwt=way == "jwt",
    )  # fmt: skip
    secured = Secured.__new__(Secured)
    secured.folder = tmp_path
    write_bundle(tmp_path, options, datetime.now(UTC))
    place = tmp_path / "identities" / "shop"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for proof in place.glob("webshop.*"):
        proof.rename(elsewhere / proof.name)
    known = (elsewhere / "webshop.env").read_text()
    (place / "known.env").write_text(known.replace(f"{place}/", f"{elsewhere}/"))
    left = msgspec.structs.replace(options, clients=("webshop",) if still else ())
    # Made on a machine whose clock is behind that of the one before.
    write_bundle(tmp_path, left, datetime.now(UTC) - timedelta(minutes=1))
    write_bundle(tmp_path, left, datetime.now(UTC) - timedelta(minutes=1))
    server = Bundled(tmp_path)
    server.start()
    try:
        server.wait_for_words("Server is ready")
        errors: list[str] = []
        with pytest.raises(nats.errors.NoServersError):
            await secured.connect("shop", "known", errors)
        assert "authorization violation" in " ".join(errors).lower()
        if still:
            await (await secured.connect("shop", "webshop", [])).close()
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("days_ago", "said"),
    [
        (CERTIFICATE_DAYS - 20, "the server's certificate is good for 19 days"),
        (CERTIFICATE_DAYS + 1, "has expired: make another one"),
    ],
    ids=["soon", "expired"],
)
def test_a_certificate_that_expires_is_told_and_made_again_is_taken_over(
    tmp_path: Path, days_ago: int, said: str
) -> None:
    (port,) = free_ports(1)
    options = BundleOptions(
        port=port, namespaces=("shop",), prefix=str(tmp_path), store_dir=str(tmp_path / "data"),
        monitor=None, sync="2m",
    )  # fmt: skip
    secured = Secured.__new__(Secured)
    secured.folder = tmp_path
    write_bundle(tmp_path, options, datetime.now(UTC) - timedelta(days=days_ago))
    server = Bundled(tmp_path)
    server.start()
    try:
        server.wait_for_words("Server is ready")
        told = secured.shem("shop", "operator", "doctor")
        assert said in told.stdout + told.stderr
        write_bundle(tmp_path, options, datetime.now(UTC))
        os.kill(server.pid, signal.SIGHUP)
        server.wait_for_words("Reloaded server configuration")
        for client in ("lean", "nats-py"):
            told = secured.shem("shop", "operator", "doctor", SHEM_NATS_CLIENT=client)
            assert f"is good for {CERTIFICATE_DAYS - 1} days" in told.stdout
    finally:
        server.kill()


@pytest.mark.parametrize("way", ["nkeys", "jwt"])
def test_servers_find_what_lies_in_folders_with_any_name(tmp_path: Path, way: str):
    folder = tmp_path / 'für "nats" # $HOME'
    options = BundleOptions(
        hosts=("fd00::1", "fd00::2"), prefix=str(folder), store_dir=str(folder / "data {1}"),
        limits={"shem": "10GB"}, store_limit="20GB", jwt=way == "jwt",
    )  # fmt: skip
    write_bundle(folder, options, datetime.now(UTC))
    tested = subprocess.run(
        [str(find_server()), "-t", "-c", str(folder / "nats-1.conf")],
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert tested.returncode == 0, tested.stderr


@pytest.mark.parametrize("way", ["nkeys", "jwt"])
def test_keys_are_private_and_kept_when_the_bundle_is_made_again(tmp_path: Path, way: str):
    options = BundleOptions(hosts=("n0",), namespaces=("shop",), jwt=way == "jwt")
    write_bundle(tmp_path, options, datetime.now(UTC))
    before = {
        file: file.read_bytes() for file in tmp_path.rglob("*") if file.suffix in {".nk", ".key"}
    }
    assert {file.stat().st_mode & 0o777 for file in before} == {0o600}

    grown = BundleOptions(
        hosts=("n0",), namespaces=("shop", "lab"), clients=("webshop",), jwt=way == "jwt"
    )
    written = write_bundle(tmp_path, grown, datetime.now(UTC))
    assert {file: file.read_bytes() for file in before} == before
    assert written.identities["lab"] == written.identities["shop"]
    assert "webshop" in written.identities["shop"]
