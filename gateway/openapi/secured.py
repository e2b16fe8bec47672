"""Security schemes as OpenAPI says them, and requirements from documents."""

from typing import assert_never

from gateway.security.schemes import (
    ApiKeyScheme,
    BasicScheme,
    JwtScheme,
    OidcScheme,
    Scheme,
)
from wit.json_schema import Schema

__all__ = ["scheme_schema"]


def scheme_schema(scheme: Scheme) -> Schema:
    """Return what a client has to send for a scheme."""
    match scheme:
        case OidcScheme(name=name):
            return {
                "type": "apiKey",
                "in": "cookie",
                "name": f"__Host-shem-{name}",
                "description": f"A session, opened at /.shem/auth/{name}/login",
            }
        case JwtScheme(issuer=issuer):
            return {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": f"A token of {issuer}",
            }
        case ApiKeyScheme(place=place, key_name=name):
            return {"type": "apiKey", "in": place, "name": name}
        case BasicScheme():
            return {"type": "http", "scheme": "basic"}
        case _:
            assert_never(scheme)
