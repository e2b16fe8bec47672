"""The binding `swagger-ui`: a page that shows an API and sends requests; needs no other server."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from importlib import resources
from typing import Final

import msgspec

from gateway.deployments import LiveRoute
from gateway.errors import RequestError
from gateway.openapi.exporting import document
from gateway.responses import Response
from gateway.security.schemes import Scheme

__all__ = ["ASSET", "DOCUMENT", "explore"]

# The path variable that names a part of the page.
ASSET: Final = "part"
DOCUMENT: Final = "openapi.json"
_KINDS: Final = {"page.css": "text/css", "page.js": "text/javascript"}
_HEADERS: Final = (
    ("cache-control", "no-cache"),
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'self'; frame-ancestors 'none'"),
)


def explore(
    live: LiveRoute,
    asset: str | None,
    path: str,
    site: Sequence[LiveRoute],
    schemes: Mapping[str, Scheme],
) -> Response:
    """Return the page, or one of its parts.

    Args:
        live: The route that is asked.
        asset: The part, None for the page itself.
        path: Of the request, as it came.
        site: All routes of the site, of which those of the same API are shown.
        schemes: The security schemes there are.

    Raises:
        RequestError: 404, there is no such part.
    """
    if asset is None:
        # Relative, so that a proxy may have put anything before the path.
        base = escape(path.rpartition("/")[2]) or "."
        page = _file("index.html").decode().replace("{base}", base)
        return Response(
            200, (("content-type", "text/html; charset=utf-8"), *_HEADERS), page.encode()
        )
    if asset == DOCUMENT:
        routes = [each for each in site if each.route.api == live.route.api]
        data = msgspec.json.encode(document(live.route.api, routes, schemes=schemes))
        return Response(200, (("content-type", "application/json"), *_HEADERS), data)
    kind = _KINDS.get(asset)
    if kind is None:
        raise RequestError(404, "unknown-path", f"the page has no part {asset!r}")
    return Response(200, (("content-type", f"{kind}; charset=utf-8"), *_HEADERS), _file(asset))


@lru_cache
def _file(name: str) -> bytes:
    return resources.files("gateway").joinpath("page", name).read_bytes()
