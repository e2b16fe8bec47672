"""A small client of the management API, and of servers in general."""

import json
import time
import urllib.error
import urllib.request
from typing import Any, NamedTuple

__all__ = ["Answer", "Api", "fetch"]

TIMEOUT_S = 60


class Answer(NamedTuple):
    """Status, headers by their names in lower case, and the body."""

    status: int
    headers: dict[str, str]
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.data)


def fetch(method: str, url: str, data: bytes | None = None, **headers: str) -> Answer:
    """Return an answer, whatever its status."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, named, method=method)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            found = response.status, response.headers.items(), response.read()
    except urllib.error.HTTPError as error:
        with error:
            found = error.code, error.headers.items(), error.read()
    status, pairs, body = found
    return Answer(status, {name.lower(): value for name, value in pairs}, body)


class Api:
    """The management API with a token."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token

    def wait(self) -> None:
        """Return when it answers: the process that replaces a killed one takes a moment."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                self("GET", "/version")
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if isinstance(body, bytes):
            headers.setdefault("Content_Type", "application/wasm")
            return fetch(method, self.url + path, body, **headers)
        if body is None:
            return fetch(method, self.url + path, **headers)
        headers.setdefault("Content_Type", "application/json")
        return fetch(method, self.url + path, json.dumps(body).encode(), **headers)
