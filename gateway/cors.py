"""Requests from pages of other origins."""

from fnmatch import fnmatchcase

import msgspec

from gateway.definitions import CorsBinding
from gateway.responses import Response

__all__ = ["allow", "preflight"]


def preflight(binding: CorsBinding, origin: str) -> Response:
    """Return the answer to a preflight request."""
    headers = [
        *_origin(binding, origin),
        ("access-control-allow-methods", binding.allow_methods),
        ("access-control-allow-headers", binding.allow_headers),
    ]
    if binding.max_age_s is not None:
        headers.append(("access-control-max-age", str(binding.max_age_s)))
    return Response(204, tuple(headers), b"")


def allow(response: Response, binding: CorsBinding, origin: str) -> Response:
    """Return a response that pages of allowed origins may read."""
    headers = _origin(binding, origin)
    if binding.expose_headers is not None:
        headers.append(("access-control-expose-headers", binding.expose_headers))
    return msgspec.structs.replace(response, headers=(*response.headers, *headers))


def _origin(binding: CorsBinding, origin: str) -> list[tuple[str, str]]:
    """Return the headers that name the allowed origin; several may be allowed by patterns."""
    patterns = [each.strip() for each in binding.allow_origin.split(",")]
    if "*" in patterns and not binding.allow_credentials:
        return [("access-control-allow-origin", "*")]
    found = [("vary", "Origin")]
    if origin and any(fnmatchcase(origin, each) for each in patterns):
        found.append(("access-control-allow-origin", origin))
        if binding.allow_credentials:
            found.append(("access-control-allow-credentials", "true"))
    return found
