"""Who may use a deployed API: logging in at a real identity provider, tokens, keys, passwords."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.support.identity import (
    AUDIENCE,
    CLIENT,
    SECRET,
    Browser,
    RunningProvider,
    unavailable,
)
from tests.support.system import RunningSystem

pytestmark = pytest.mark.timeout(300)
PATIENCE_S = 60
KEY = "a-long-key-of-a-machine"

API = """
id: secured
version: "1"
security: [{{scheme: company}}]
routes:
  - method: GET
    path: /me
    binding:
      type: default
      response: |
        let email: option<string> = request.auth.email;
        let roles: list<string> = request.auth.roles;
        {{sub: request.auth.sub, name: request.auth.name, email: email, roles: roles}}
  - method: POST
    path: /change
    binding: {{type: default, response: '"changed by ${{request.auth.sub}}"'}}
  - method: GET
    path: /machines
    security: [{{scheme: machines, scopes: [read]}}, {{scheme: keys}}, {{scheme: people}}]
    binding: {{type: default, response: '"hello ${{request.auth.sub}}"'}}
  - method: GET
    path: /writers
    security: [{{scheme: machines, scopes: [read, write]}}, {{scheme: keys, scopes: [write]}}]
    binding: {{type: default, response: '"wrote"'}}
  - method: GET
    path: /open
    security: []
    binding: {{type: default, response: '"for all"'}}
  - method: GET
    path: /secured-docs
    security: []
    binding: {{type: swagger-ui}}
"""


def scheme(name: str, **fields: object) -> str:
    return json.dumps({"name": name, **fields})


@pytest.fixture(scope="module")
def provider(system: RunningSystem) -> Iterator[RunningProvider]:
    reason = unavailable()
    if reason:
        pytest.skip(reason)
    callback = f"{system.http_url}/.shem/auth/company/callback"
    with RunningProvider([callback]) as started:
        schemes = {
            "company": scheme(
                "company",
                type="oidc",
                issuer=started.issuer,
                **{"client-id": CLIENT, "client-secret": SECRET},
                scopes=["openid", "profile", "email"],
            ),
            "machines": scheme("machines", type="jwt", issuer=started.issuer, audience=AUDIENCE),
            "keys": scheme("keys", type="api-key", keys=[{"name": "robot", "key": KEY}]),
            "people": scheme(
                "people", type="basic", users=[{"name": "eve", "password": "päss:word"}]
            ),
        }
        for name, text in schemes.items():
            (system.folder / f"{name}.json").write_text(text)
        files = [f"{name}.json" for name in schemes]
        defined = system.run("shem", "api", "security", "define", *files)
        assert defined.returncode == 0, defined.stdout
        (system.folder / "secured.yaml").write_text(API.format())
        deployed = system.run("shem", "api", "deploy", "secured.yaml")
        assert deployed.returncode == 0, deployed.stdout
        wait_until_served(system)
        yield started


def wait_until_served(system: RunningSystem) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            if Browser().ask("GET", f"{system.http_url}/open")[0] == 200:
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, system.log
        time.sleep(0.02)


def test_a_browser_logs_in_and_has_a_session(
    system: RunningSystem, provider: RunningProvider
) -> None:
    browser = Browser()
    status, headers, body = browser.ask("GET", f"{system.http_url}/me", Accept="application/json")
    assert status == 401, "scripts are told, pages are sent to log in"
    assert 'Login url="/.shem/auth/company/login' in headers["www-authenticate"]

    place, status, body = browser.log_in(f"{system.http_url}/me", "ann")
    assert (place, status) == (f"{system.http_url}/me", 406), "back where it began"
    status, _, body = browser.ask("GET", f"{system.http_url}/me")
    assert status == 200
    assert json.loads(body) == {
        "sub": "ann",
        "name": "ann the tester",
        "email": "ann@example.org",
        "roles": ["tester"],
    }
    system.kill("gateway")
    wait_until_served(system)
    assert browser.ask("GET", f"{system.http_url}/me")[0] == 200, "sessions outlive gateways"

    change = f"{system.http_url}/change"
    assert browser.ask("POST", change, "", Sec_Fetch_Site="cross-site")[0] == 403
    assert browser.ask("POST", change, "", Sec_Fetch_Site="same-site")[0] == 403
    assert browser.ask("POST", change, "", Origin="https://evil.example")[0] == 403
    assert browser.ask("POST", change, "", Sec_Fetch_Site="same-origin")[2] == b'"changed by ann"'

    logout = f"{system.http_url}/.shem/auth/logout"
    assert browser.ask("GET", logout)[0] == 405
    assert browser.ask("POST", logout, "", Sec_Fetch_Site="cross-site")[0] == 403
    kept = dict(browser.cookies[urlsplit(system.http_url).netloc])
    assert browser.ask("POST", logout, "", Sec_Fetch_Site="same-origin")[0] == 204
    assert browser.ask("GET", f"{system.http_url}/me")[0] == 401
    browser.cookies[urlsplit(system.http_url).netloc] = kept
    assert browser.ask("GET", f"{system.http_url}/me")[0] == 401, "the session itself is over"


def test_cookies_and_the_way_to_the_provider(
    system: RunningSystem, provider: RunningProvider
) -> None:
    status, headers, _ = Browser().ask(
        "GET", f"{system.http_url}/.shem/auth/company/login?return-to=//evil.example"
    )
    asked = {
        name: values[0] for name, values in parse_qs(urlsplit(headers["location"]).query).items()
    }
    assert status == 303
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert {"state", "nonce", "code_challenge", "redirect_uri"} <= asked.keys()
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    # Behind a proxy that speaks https the cookie is this very host's alone.
    _, headers, _ = Browser().ask(
        "GET", f"{system.http_url}/.shem/auth/company/login", X_Forwarded_Proto="https"
    )
    assert headers["set-cookie"].startswith("__Host-shem-login=")
    assert "Secure" in headers["set-cookie"]


def test_a_callback_belongs_to_the_browser_that_began(
    system: RunningSystem, provider: RunningProvider
) -> None:
    callback = f"{system.http_url}/.shem/auth/company/callback"
    attacker, victim = Browser(), Browser()
    # The attacker logs in, and has the victim open the link that would log the victim in as them.
    place, _, _ = attacker.log_in(f"{system.http_url}/me", "mallory", until=callback)
    status, _, body = victim.ask("GET", place)
    assert (status, json.loads(body)["type"]) == (400, "urn:shem:problem:login-failed")
    assert victim.ask("GET", f"{system.http_url}/me")[0] == 401
    # Nor does it work twice, or with another state, or when another provider answers.
    assert attacker.ask("GET", place)[0] == 400
    assert attacker.ask("GET", f"{callback}?code=x&state=y")[0] == 400
    fresh = Browser()
    place, _, _ = fresh.log_in(f"{system.http_url}/me", "ann", until=callback)
    other = place.replace("iss=http", "iss=https")
    assert "another identity provider" in json.loads(fresh.ask("GET", other)[2])["detail"]
    fresh = Browser()
    place, _, _ = fresh.log_in(f"{system.http_url}/me", "ann", until=callback)
    status, _, body = fresh.ask("GET", place.replace("code=", "code=x"))
    assert (status, json.loads(body)["type"]) == (403, "urn:shem:problem:login-failed")


def test_tokens_of_machines(system: RunningSystem, provider: RunningProvider) -> None:
    def ask(path: str, token: str) -> tuple[int, str]:
        status, headers, _ = Browser().ask(
            "GET", system.http_url + path, Authorization=f"Bearer {token}"
        )
        return status, headers.get("www-authenticate", "")

    reader, writer = provider.token("read"), provider.token("read write")
    assert ask("/machines", reader)[0] == 200
    assert ask("/writers", writer)[0] == 200
    status, challenge = ask("/writers", reader)
    assert status == 403
    assert 'error="insufficient_scope", scope="write"' in challenge

    head, payload, signature = reader.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    raised = _part({**claims, "scope": "read write"})
    mine = RSAKey.generate_key(
        2048, {"kid": json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]}
    )
    public = mine.as_pem(private=False)
    keyed = f"{_part({'alg': 'HS256', 'kid': mine.kid})}.{payload}"
    by_secret = base64.urlsafe_b64encode(hmac.digest(public, keyed.encode(), hashlib.sha256))
    forged = {
        "changed": f"{head}.{raised}.{signature}",
        "unsigned": f"{_part({'alg': 'none'})}.{payload}.",
        "signed by a secret": f"{keyed}.{by_secret.rstrip(b'=').decode()}",
        "signed by another key": jwt.encode({"alg": "RS256", "kid": mine.kid}, claims, mine),
        "of an unknown key": jwt.encode({"alg": "RS256", "kid": "none"}, claims, mine),
        "no token": "nonsense",
        "empty": "",
        "long": "a" * 20_000,
    }
    for what, token in forged.items():
        status, challenge = ask("/machines", token)
        assert status == 401, what
        assert "Bearer" in challenge


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_keys_and_passwords(system: RunningSystem, provider: RunningProvider) -> None:
    url = f"{system.http_url}/machines"
    assert Browser().ask("GET", url, X_API_Key=KEY)[2] == b'"hello robot"'
    assert Browser().ask("GET", url, X_API_Key="another-long-key-of-nobody")[0] == 401
    assert Browser().ask("GET", f"{system.http_url}/writers", X_API_Key=KEY)[0] == 403
    right = base64.b64encode("eve:päss:word".encode()).decode()
    assert Browser().ask("GET", url, Authorization=f"Basic {right}")[2] == b'"hello eve"'
    assert Browser().ask("GET", url, Authorization=f"Basic {right}")[0] == 200
    for wrong in ("eve:x", "bob:päss:word", "eve", ""):
        text = base64.b64encode(wrong.encode()).decode()
        status, headers, _ = Browser().ask("GET", url, Authorization=f"Basic {text}")
        assert status == 401, wrong
        assert "Basic realm" in headers["www-authenticate"]
    assert Browser().ask("GET", url, Authorization="Basic \xff")[0] == 401
    assert Browser().ask("GET", url)[0] == 401
    assert Browser().ask("GET", f"{system.http_url}/open")[0] == 200


def test_an_answer_that_comes_later_is_for_who_asked(
    system: RunningSystem, provider: RunningProvider
) -> None:
    url = f"{system.http_url}/machines"
    status, headers, _ = Browser().ask("GET", url, X_API_Key=KEY, Prefer="respond-async")
    assert status == 202
    place = system.http_url + headers["location"]
    deadline = time.monotonic() + PATIENCE_S
    while (found := Browser().ask("GET", place, X_API_Key=KEY))[0] == 202:
        assert time.monotonic() < deadline, system.log
        time.sleep(0.05)
    assert found[2] == b'"hello robot"'
    assert Browser().ask("GET", place)[0] == 401
    right = base64.b64encode("eve:päss:word".encode()).decode()
    assert Browser().ask("GET", place, Authorization=f"Basic {right}")[0] == 404


def test_no_secret_is_told(system: RunningSystem, provider: RunningProvider) -> None:
    shown = system.run("shem", "api", "security", "list", "-o", "json").stdout
    assert "company" in shown
    for secret in (SECRET, KEY, "päss", "scrypt", "sha256"):
        assert secret not in shown
        assert secret not in system.log
    document = json.loads(Browser().ask("GET", f"{system.http_url}/secured-docs/openapi.json")[2])
    assert set(document["components"]["securitySchemes"]) == {
        "company",
        "machines",
        "keys",
        "people",
    }
    assert document["paths"]["/writers"]["get"]["security"] == [
        {"machines": ["read", "write"]},
        {"keys": ["write"]},
    ]
    assert "security" not in document["paths"]["/open"]["get"]
    refused = system.run("shem", "api", "security", "delete", "people")
    assert "people is used by secured@1: GET /machines; undeploy it first" in refused.stdout
    (system.folder / "unknown.yaml").write_text(
        'id: unknown\nversion: "1"\nroutes:\n'
        "  - method: GET\n    path: /a\n    security: [{scheme: none}]\n"
        "    binding: {type: default, response: '1'}\n"
        "  - {method: GET, path: /b, binding: {type: default, response: request.auth.sub}}\n"
    )
    refused = system.run("shem", "api", "define", "unknown.yaml")
    assert "unknown@1: GET /a: there is no security scheme none" in refused.stdout
    assert (
        "GET /b: response: the route is open to all, so there is no request.auth" in refused.stdout
    )
