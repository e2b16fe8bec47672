"""Identities and encryption, against real servers."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from types import SimpleNamespace

import nkeys
import pytest

from broker import subjects
from broker.errors import PermissionDeniedError, SetupError, UnavailableError
from broker.jetstream import publisher
from broker.jetstream.connect import ConnectOptions, connect
from broker.jetstream.options import ClientKind

CLIENTS = [ClientKind.NATS_PY, ClientKind.LEAN]
SEED = {prefix: nkeys.encode_seed(bytes(range(32)), prefix) for prefix in (0, 14 << 3, 20 << 3)}


@pytest.fixture(params=CLIENTS, ids=lambda client: client.value)
def client(request):
    return request.param


def key_pair(prefix):
    pair = nkeys.from_seed(bytearray(SEED[prefix]))
    return pair, pair.public_key.decode()


async def use(**options):
    """Connect, store something, and leave."""
    broker = await connect(ConnectOptions(partitions=2, **options))
    try:
        log = subjects.log("auth", "w", 2)
        return await broker.journal.append(log, b"x", message_id="1", expected_sequence=0)
    finally:
        await broker.close()


async def test_user_and_password(make_nats_server, client):
    server = make_nats_server("authorization { user: ann, password: secret }")
    assert await use(servers=(server.url,), user="ann", password="secret", client=client)


async def test_user_and_password_in_the_url(make_nats_server, client):
    server = make_nats_server("authorization { user: ann, password: secret }")
    url = server.url.replace("nats://", "nats://ann:secret@")
    assert await use(servers=(url,), client=client)


async def test_a_wrong_password_is_refused_at_once(make_nats_server, client):
    server = make_nats_server("authorization { user: ann, password: secret }")
    with pytest.raises(PermissionDeniedError, match="refuses our credentials"):
        await use(servers=(server.url,), user="ann", password="wrong", client=client)


async def test_token(make_nats_server, client):
    server = make_nats_server("authorization { token: t0ken }")
    assert await use(servers=(server.url,), token="t0ken", client=client)
    with pytest.raises(PermissionDeniedError):
        await use(servers=(server.url,), token="other", client=client)


async def test_nkey_seed_given_or_in_a_file(make_nats_server, client, tmp_path):
    _, public = key_pair(20 << 3)
    server = make_nats_server(f"authorization {{ users: [ {{ nkey: {public} }} ] }}")
    seed = SEED[20 << 3].decode()
    file = tmp_path / "user.nk"
    file.write_text(seed + "\n")
    assert await use(servers=(server.url,), nkey_seed=seed, client=client)
    broker = await connect(
        ConnectOptions(servers=(server.url,), nkey_seed_file=file, client=client)
    )
    await broker.close()


async def test_a_malformed_seed_is_a_setup_error(make_nats_server):
    _, public = key_pair(20 << 3)
    server = make_nats_server(f"authorization {{ users: [ {{ nkey: {public} }} ] }}")
    with pytest.raises(SetupError, match="no nkey seed"):
        await use(servers=(server.url,), nkey_seed="nonsense", client=ClientKind.LEAN)


def signed(claims, issuer_prefix):
    pair, public = key_pair(issuer_prefix)
    claims |= {"iss": public, "iat": int(time.time()), "jti": "test"}

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    body = f"{part({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{part(claims)}"
    signature = base64.urlsafe_b64encode(pair.sign(body.encode())).rstrip(b"=").decode()
    return f"{body}.{signature}"


@pytest.fixture
def credentials(tmp_path):
    """An operator, an account with JetStream, a user, and the user's credentials file."""
    operator, account, user = (key_pair(prefix)[1] for prefix in (14 << 3, 0, 20 << 3))
    system_seed = nkeys.encode_seed(bytes(range(1, 33)), 0)
    system = nkeys.from_seed(bytearray(system_seed)).public_key.decode()
    system_claims = {"type": "account", "version": 2}
    system_jwt = signed({"sub": system, "name": "sys", "nats": system_claims}, 14 << 3)
    operator_jwt = signed(
        {"sub": operator, "name": "op", "nats": {"type": "operator", "version": 2}}, 14 << 3
    )
    unlimited = dict.fromkeys(
        ["subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage"], -1
    ) | dict.fromkeys(["disk_storage", "streams", "consumer", "max_ack_pending"], -1)
    account_claims = {"type": "account", "version": 2, "limits": unlimited | {"wildcards": True}}
    account_jwt = signed({"sub": account, "name": "acc", "nats": account_claims}, 14 << 3)
    user_claims = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1}
    user_jwt = signed({"sub": user, "name": "usr", "nats": user_claims}, 0)
    file = tmp_path / "user.creds"
    file.write_text(
        f"-----BEGIN NATS USER JWT-----\n{user_jwt}\n------END NATS USER JWT------\n\n"
        "************************* IMPORTANT *************************\n"
        f"-----BEGIN USER NKEY SEED-----\n{SEED[20 << 3].decode()}\n"
        "------END USER NKEY SEED------\n"
    )
    config = f"operator: {operator_jwt}\nsystem_account: {system}\nresolver: MEMORY\n"
    config += f"resolver_preload: {{ {account}: {account_jwt}, {system}: {system_jwt} }}\n"
    return SimpleNamespace(file=file, server_config=config)


async def test_credentials_file(make_nats_server, client, credentials):
    server = make_nats_server(credentials.server_config)
    assert await use(servers=(server.url,), creds_file=credentials.file, client=client)


async def test_a_missing_credentials_file_is_a_setup_error(nats_url, client, tmp_path):
    with pytest.raises(SetupError, match=r"absent\.creds"):
        await use(servers=(nats_url,), creds_file=tmp_path / "absent.creds", client=client)


async def test_two_ways_to_authenticate_are_a_setup_error(nats_url):
    with pytest.raises(SetupError, match="keep one"):
        await use(servers=(nats_url,), user="a", token="b")


async def test_a_forbidden_publish_is_reported_not_timed_out(make_nats_server, client, monkeypatch):
    # Longer than this test waits: only the server's report can end the publish.
    monkeypatch.setattr(publisher, "PUBLISH_TIMEOUT_S", 60)
    server = make_nats_server(
        "authorization { users: [ { user: u, password: p, "
        'permissions: { publish: { deny: "shem.control.>" } } } ] }'
    )
    broker = await connect(
        ConnectOptions(servers=(server.url,), user="u", password="p", client=client)
    )
    async with asyncio.timeout(20):
        with pytest.raises(PermissionDeniedError, match=r"(?i)shem\.control\.Comp\.w"):
            await broker.journal.publish(subjects.control("Comp", "w"), b"", message_id="1")
    assert await broker.journal.publish(subjects.invoke("Comp", "w"), b"", message_id="2")
    await broker.close()


async def test_reading_a_forbidden_stream_is_reported(make_nats_server, client):
    """At once: nobody would ever answer."""
    server = make_nats_server(
        "authorization { users: [ { user: u, password: p, "
        'permissions: { publish: { deny: "$JS.API.DIRECT.GET.SHEM_OPLOG" } } } ] }'
    )
    broker = await connect(
        ConnectOptions(servers=(server.url,), user="u", password="p", client=client)
    )
    with pytest.raises(PermissionDeniedError, match=r"(?i)direct\.get\.shem_oplog"):
        _ = [each async for each in broker.journal.read("shem.oplog.>")]
    await broker.close()


async def test_a_forbidden_subscription_is_reported(make_nats_server, client):
    server = make_nats_server(
        "authorization { users: [ { user: u, password: p, "
        'permissions: { subscribe: { deny: "Secret.>" } } } ] }'
    )
    broker = await connect(
        ConnectOptions(servers=(server.url,), user="u", password="p", client=client)
    )
    with pytest.raises(PermissionDeniedError, match=r"(?i)secret\.x"):
        await broker.signals.subscribe("Secret.x", print)
    await broker.close()


async def test_an_identity_with_an_inbox_of_its_own(make_nats_server, client):
    server = make_nats_server(
        "authorization { users: [ { user: u, password: p, "
        'permissions: { publish: ">", subscribe: { allow: ["_MINE.>", "shem.>"] } } } ] }'
    )
    login = {"servers": (server.url,), "user": "u", "password": "p", "client": client}
    assert await use(inbox_prefix="_MINE", **login)
    with pytest.raises(PermissionDeniedError, match="inbox"):
        await use(**login)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """An authority, a server certificate for 127.0.0.1 and localhost, a client certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is missing: certificates cannot be generated")
    directory = tmp_path_factory.mktemp("certificates")

    def run(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run(
        "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca"
    )
    for name, extra in (
        ("server", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        ("client", "extendedKeyUsage=clientAuth"),
    ):
        run("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (directory / f"{name}.ext").write_text(extra + "\n")
        run(
            *["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"],
            *["-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem"],
        )
    return directory


def tls_block(certificates, *, verify=False):
    return (
        f'tls {{ cert_file: "{certificates}/server.pem", key_file: "{certificates}/server.key", '
        f'ca_file: "{certificates}/ca.pem", verify: {str(verify).lower()} }}'
    )


async def test_tls_with_a_given_authority(make_nats_server, client, certificates):
    server = make_nats_server(tls_block(certificates))
    url = server.url.replace("nats://", "tls://")
    assert await use(servers=(url,), tls_ca=certificates / "ca.pem", client=client)


async def test_tls_connections_are_renewed(make_nats_server, client, certificates):
    server = make_nats_server(tls_block(certificates))
    url = server.url.replace("nats://", "tls://")
    broker = await connect(
        ConnectOptions(servers=(url,), tls_ca=certificates / "ca.pem", client=client)
    )
    server.restart()
    assert await broker.journal.publish(subjects.invoke("tls", "w"), b"", message_id="1")
    data = bytes(3_000_000)
    await broker.blobs.put("large", data)
    assert await broker.blobs.get("large") == data
    await broker.close()


async def test_tls_with_a_client_certificate(make_nats_server, client, certificates):
    server = make_nats_server(tls_block(certificates, verify=True))
    files = {
        "tls_ca": certificates / "ca.pem",
        "tls_cert": certificates / "client.pem",
        "tls_key": certificates / "client.key",
    }
    assert await use(servers=(server.url,), client=client, **files)


async def test_without_the_client_certificate_the_server_refuses(make_nats_server, certificates):
    server = make_nats_server(tls_block(certificates, verify=True))
    with pytest.raises(UnavailableError):
        await use(servers=(server.url,), tls_ca=certificates / "ca.pem", connect_timeout_s=3)


async def test_an_untrusted_certificate_is_a_setup_error(make_nats_server, certificates):
    server = make_nats_server(tls_block(certificates))
    with pytest.raises(SetupError, match="tls_ca"):
        await use(servers=(server.url.replace("nats://", "tls://"),))


async def test_a_missing_tls_file_is_a_setup_error(nats_url, tmp_path):
    with pytest.raises(SetupError, match=r"absent\.pem"):
        await use(servers=(nats_url,), tls_ca=tmp_path / "absent.pem")


async def test_nobody_listening_is_unavailable(client):
    with pytest.raises(UnavailableError):
        await use(servers=("nats://127.0.0.1:9",), client=client, connect_timeout_s=2)
