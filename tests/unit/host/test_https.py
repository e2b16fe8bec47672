"""wasi:http over TLS: whom a worker trusts, and what becomes of those whom it does not."""

import asyncio
import contextlib
import datetime as dt
import gc
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from actors.host.http import fetch
from actors.host.http.alerts import alert_of
from actors.host.http.errors import code_of
from actors.host.http.fields import Fields
from actors.host.http.messages import OutgoingRequest
from actors.host.pollable import wait_for_any
from actors.host.table import TABLE
from wit.values import err, some

WITHIN_S = 20
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden"

# What is left open shows when it is collected, which is after each test.
pytestmark = pytest.mark.usefixtures("quick_collections")


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def write_certificate(folder: Path, address: str) -> Path:
    """Write a certificate that vouches for itself, with its key, for one address."""
    key = ec.generate_private_key(ec.SECP256R1())
    begun = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(address))
        .issuer_name(_name(address))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + dt.timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{address}.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A certificate for this machine that the system trusts."""
    file = write_certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    fetch._tls.cache_clear()
    yield file
    fetch._tls.cache_clear()


def server_of(file: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file)
    return made


def serve(listening: socket.socket, server: ssl.SSLContext | None) -> None:
    """Answer one connection. In a thread of its own: asyncio sends no alerts."""
    plain, _ = listening.accept()
    with plain:
        plain.settimeout(WITHIN_S)
        if server is None:
            plain.sendall(ANSWER)
            return
        # Where the handshake fails in `wrap_socket`, the socket is closed with what the client has
        # sent unread, which resets the connection and may overtake the alert.
        with server.wrap_socket(
            plain, server_side=True, do_handshake_on_connect=False
        ) as connection:
            try:
                connection.do_handshake()
                while b"\r\n\r\n" not in connection.recv(10_000):
                    pass
                connection.sendall(ANSWER)
            except OSError:
                with contextlib.suppress(OSError):
                    while socket.socket.recv(connection, 10_000):
                        pass


async def asked(context: Any, server: ssl.SSLContext | None) -> Any:
    """Return what a request to such a server came to, or its body."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(asyncio.to_thread(serve, listening, server))
        request = OutgoingRequest(Fields(()))
        request.scheme = some(("HTTPS", None))
        request.authority = f"127.0.0.1:{listening.getsockname()[1]}"
        handle = TABLE["wasi:http/outgoing-handler"].functions["handle"].run
        _, future = handle(context, request, None)
        await wait_for_any(context, [future.subscribe()])
        (outcome,) = await future.get(context)
        if outcome[1][0] == "err":
            future.close()
            await serving
            return outcome[1]
        types = TABLE["wasi:http/types"].functions
        body = types["[method]incoming-response.consume"].run(context, outcome[1][1])[1]
        stream = types["[method]incoming-body.stream"].run(context, body)[1]
        told = await stream.blocking_read(context, 100)
        await serving
        return told


def run(context: Any, server: ssl.SSLContext | None) -> Any:
    try:
        return asyncio.run(asyncio.wait_for(asked(context, server), WITHIN_S))
    finally:
        context.close()
        gc.collect()


def test_who_is_trusted_is_talked_to(context, trusted):
    assert run(context, server_of(trusted)) == ("ok", b"hidden")


def test_who_vouches_for_himself_is_not(context, trusted, tmp_path):
    trusted.rename(tmp_path / "elsewhere.pem")
    trusted.write_bytes(write_certificate(tmp_path, "127.0.0.2").read_bytes())
    server = server_of(tmp_path / "elsewhere.pem")
    assert run(context, server) == err(("TLS-certificate-error", None))


def test_a_certificate_is_for_its_address(context, tmp_path, monkeypatch):
    other = write_certificate(tmp_path, "127.0.0.2")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    fetch._tls.cache_clear()
    assert run(context, server_of(other)) == err(("TLS-certificate-error", None))
    fetch._tls.cache_clear()


def test_who_speaks_no_tls_breaks_the_protocol(context, trusted):
    assert run(context, None) == err(("TLS-protocol-error", None))


@pytest.mark.parametrize(
    ("version", "alert"),
    [
        (ssl.TLSVersion.TLSv1_2, (40, "handshake failure")),
        (ssl.TLSVersion.TLSv1_3, (116, "certificate required")),
    ],
)
def test_what_a_server_complains_of_is_told(context, trusted, version, alert):
    server = server_of(trusted)
    server.maximum_version = version
    # Workers have no certificates.
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(trusted)
    payload = {"alert-id": some(alert[0]), "alert-message": some(alert[1])}
    assert run(context, server) == err(("TLS-alert-received", payload))


def test_an_alert_without_a_number_has_a_name():
    error = ssl.SSLError(1, "unheard of")
    error.reason = "WRONG_VERSION_NUMBER"
    assert alert_of(error) is None
    assert code_of(error) == ("TLS-protocol-error", None)
    error.reason = "TLSV9_ALERT_OUT_OF_SPIRITS"
    assert alert_of(error) == (None, "out of spirits")
    assert code_of(ssl.SSLEOFError(8, "cut")) == ("connection-terminated", None)
