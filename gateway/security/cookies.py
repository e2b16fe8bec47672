"""Cookies that no other site can set or make use of."""

from typing import Final
from urllib.parse import urlsplit

from gateway.incoming import Incoming

__all__ = ["cookie_name", "crosses_origins", "ended_cookie", "set_cookie"]

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def cookie_name(request: Incoming, what: str) -> str:
    """Return the name of our cookie: with https one that only this very host can set."""
    prefix = "__Host-" if request.scheme == "https" else ""
    return f"{prefix}shem-{what}"


def set_cookie(request: Incoming, what: str, value: str, age_s: int) -> tuple[str, str]:
    """Return the header that sets a cookie which no script reads.

    `Lax`: a request that another site's form or script causes comes without it.
    """
    secure = "; Secure" if request.scheme == "https" else ""
    name = cookie_name(request, what)
    text = f"{name}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}"
    return "set-cookie", text


def ended_cookie(request: Incoming, what: str) -> tuple[str, str]:
    """Return the header that takes a cookie back."""
    return set_cookie(request, what, "", 0)


def crosses_origins(request: Incoming) -> bool:
    """Return whether a page of another origin causes a change, as browsers tell.

    Not every browser keeps to `SameSite`, and hosts below one domain are one site. Who sends
    neither header is no browser, and has the cookie because somebody gave it.
    """
    if request.method in _SAFE:
        return False
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.host
