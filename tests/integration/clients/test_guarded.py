"""Who may connect: security schemes count at the handshake of a websocket as for any request."""

import asyncio
import json
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.identity import AUDIENCE, CLIENT, SECRET, Browser, RunningProvider, unavailable
from tests.support.system import RunningSystem

pytestmark = pytest.mark.timeout(240)
PATIENCE_S = 60
TALKER, LISTENER = "a-long-key-that-may-talk", "a-long-key-that-may-not"
API = """
id: guarded
version: "1"
security:
  - {scheme: ws-keys, scopes: [talk]}
  - {scheme: ws-machines}
  - {scheme: ws-company}
routes:
  - method: GET
    path: /guarded
    binding:
      type: websocket
      component: chat
      worker: '"of-${request.auth.sub}"'
      on-message: said
      on-open: opened
      allow-origin: https://friend.example
  - {method: GET, path: /me, binding: {type: default, response: request.auth.sub}}
"""


@pytest.fixture(scope="module")
def provider(system: RunningSystem) -> Iterator[RunningProvider]:
    reason = unavailable()
    if reason:
        pytest.skip(reason)
    with RunningProvider([f"{system.http_url}/.shem/auth/ws-company/callback"]) as started:
        keys = [
            {"name": "talker", "key": TALKER, "scopes": ["talk"]},
            {"name": "listener", "key": LISTENER},
        ]
        client = {"client-id": CLIENT, "client-secret": SECRET}
        schemes = [
            {"name": "ws-keys", "type": "api-key", "keys": keys},
            {"name": "ws-machines", "type": "jwt", "issuer": started.issuer, "audience": AUDIENCE},
            {"name": "ws-company", "type": "oidc", "issuer": started.issuer, **client},
        ]
        for each in schemes:
            (system.folder / f"{each['name']}.json").write_text(json.dumps(each))
        files = [f"{each['name']}.json" for each in schemes]
        done = system.run("shem", "api", "security", "define", *files)
        assert done.returncode == 0, done.stdout
        (system.folder / "guarded.yaml").write_text(API)
        done = system.run("shem", "api", "deploy", "guarded.yaml")
        assert done.returncode == 0, done.stdout
        deadline = time.monotonic() + PATIENCE_S
        while Browser().ask("GET", f"{system.http_url}/me")[0] == 404:
            assert time.monotonic() < deadline, system.log
            time.sleep(0.02)
        yield started


def handshake(system: RunningSystem, query: str = "", **headers: str) -> tuple[int, str]:
    """Return the status of a handshake, and the resume token of one that succeeds."""
    url = f"{system.http_url.replace('http', 'ws')}/guarded{query}"
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def opened() -> tuple[int, str]:
        try:
            async with connect(url, additional_headers=named) as connection:
                assert connection.response is not None
                return 101, connection.response.headers["shem-resume"]
        except InvalidStatus as error:
            return error.response.status_code, ""

    return asyncio.run(opened())


def test_keys_and_tokens(system: RunningSystem, provider: RunningProvider) -> None:
    assert handshake(system)[0] == 401
    assert handshake(system, X_API_Key="a-long-key-of-nobody")[0] == 401
    assert handshake(system, X_API_Key=LISTENER)[0] == 403, "the scope is missing"
    status, token = handshake(system, X_API_Key=TALKER)
    assert status == 101
    # The claims of who connects name the worker.
    wave = system.run("shem", "worker", "get", "chat/of-talker")
    assert wave.returncode == 0, wave.stdout
    # Who comes back has to be let in again.
    assert handshake(system, f"?resume={token}")[0] == 401

    bearer = provider.token("read")
    assert handshake(system, Authorization=f"Bearer {bearer}")[0] == 101
    head, payload, signature = bearer.split(".")
    forged = f"{head}.{payload}.{signature[::-1]}"
    assert handshake(system, Authorization=f"Bearer {forged}")[0] == 401
    assert handshake(system, Authorization="Bearer none")[0] == 401


def test_a_session_counts_for_pages_of_the_host_alone(
    system: RunningSystem, provider: RunningProvider
) -> None:
    browser = Browser()
    place, _, _ = browser.log_in(f"{system.http_url}/me", "ann")
    assert place == f"{system.http_url}/me"
    kept = browser.cookies[urlsplit(system.http_url).netloc]
    cookie = "; ".join(f"{name}={value}" for name, value in kept.items())
    assert handshake(system, Cookie=cookie)[0] == 101
    assert handshake(system, Cookie=cookie, Origin=system.http_url)[0] == 101
    # Browsers send the cookie with the handshake of any page; its origin says whose page it is.
    assert handshake(system, Cookie=cookie, Origin="https://evil.example")[0] == 403
    assert handshake(system, Cookie=cookie, Origin="https://friend.example")[0] == 101
    logout = f"{system.http_url}/.shem/auth/logout"
    assert browser.ask("POST", logout, "", Sec_Fetch_Site="same-origin")[0] == 204
    assert handshake(system, Cookie=cookie)[0] == 401, "the session is over"
