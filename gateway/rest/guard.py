"""Who may do what: bearer tokens, or on loopback everybody who sits at this machine."""

import ipaddress
from collections.abc import Mapping
from typing import Final, final
from urllib.parse import urlsplit

from gateway.errors import RequestError
from gateway.rest.operation import Role
from gateway.rest.tokens import Tokens

__all__ = ["Guard", "is_loopback"]

_CHALLENGE: Final = (("www-authenticate", 'Bearer realm="shem"'),)
_LOCAL_NAMES: Final = frozenset({"localhost"})


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine alone."""
    bare = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return bare in _LOCAL_NAMES


@final
class Guard:
    """Lets requests in or not.

    Without tokens (`is_open`, on loopback only) there is another danger than strangers: pages in a
    browser of this machine, which can send requests here, too. They say where they come from, and
    a name of theirs that points here stands in the Host header.
    """

    def __init__(self, tokens: Tokens, *, is_open: bool) -> None:
        self._tokens = tokens
        self.is_open = is_open

    def check(self, headers: Mapping[str, str], role: Role, *, secret: str = "") -> None:
        """Return if the request may do what needs a role. `secret`: a token from elsewhere.

        Raises:
            RequestError: 401 without a token that counts, 403 if its role does not suffice.
        """
        kind, _, given = headers.get("authorization", "").partition(" ")
        if self.is_open and not given and not secret:
            _check_origin(headers)
            return
        token = self._tokens.find(given.strip() if kind.lower() == "bearer" else secret)
        if token is None:
            detail = "a token is needed: Authorization: Bearer shem_…; see `shem token create`"
            raise RequestError(401, "unauthorized", detail, _CHALLENGE)
        if not token.role.includes(role):
            detail = f"this needs the role {role.value}, the token has {token.role.value}"
            raise RequestError(403, "forbidden", detail)


def _check_origin(headers: Mapping[str, str]) -> None:
    host = headers.get("host", "")
    name = urlsplit(f"//{host}").hostname or ""
    if host and not is_loopback(name):
        detail = f"without tokens only requests to localhost are answered, not to {host!r}"
        raise RequestError(403, "forbidden", detail)
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != host:
        detail = f"without tokens pages of {origin!r} may not manage"
        raise RequestError(403, "forbidden", detail)
