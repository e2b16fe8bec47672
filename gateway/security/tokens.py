"""Signed tokens: is it what it says, from whom we trust, for us, now?"""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, final

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError

from gateway.security.providers import Endpoints, Providers

__all__ = ["ALGORITHMS", "TokenError", "Tokens"]

# Clocks of others may be off by so much.
LEEWAY_S: Final = 30
TOKEN_CHARACTERS_MAX: Final = 16 * 1024
# With public keys only: a token signed by what everybody knows is no token.
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


class TokenError(Exception):
    """A token that is not to be believed, terminal; the message may be told to who sent it."""


@final
class Tokens:
    """Verifies tokens by the keys of their issuers."""

    def __init__(self, providers: Providers, clock: Callable[[], float] = time.time) -> None:
        self._providers = providers
        self._clock = clock

    async def claims(
        self,
        token: str,
        issuer: Endpoints,
        *,
        audience: str,
        algorithms: Collection[str],
        nonce: str | None = None,
    ) -> Mapping[str, Any]:
        """Return the claims of a token.

        Raises:
            TokenError: it is forged, expired, of somebody else, or for somebody else.
            RequestError: 503, the keys of the issuer cannot be had.
        """
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise TokenError("the token is too long")
        allowed = sorted(ALGORITHMS.intersection(algorithms))
        if not allowed:
            # To the library no algorithm means its own choice.
            raise TokenError("no algorithm of the token's issuer is allowed")
        try:
            found = await self._decoded(token, issuer.jwks, allowed)
            claims = found.claims
            self._check(claims, issuer, audience, nonce)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise TokenError(f"the token is not valid: {error}") from error
        return claims

    async def _decoded(self, token: str, jwks: str, algorithms: list[str]) -> jwt.Token:
        keys = await self._providers.keys(jwks)
        try:
            return jwt.decode(token, keys, algorithms=algorithms)
        except (InvalidKeyIdError, ValueError):
            # The issuer may sign with a new key since we looked.
            keys = await self._providers.keys(jwks, missing=True)
            return jwt.decode(token, keys, algorithms=algorithms)

    def _check(
        self, claims: Mapping[str, Any], issuer: Endpoints, audience: str, nonce: str | None
    ) -> None:
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(self._clock()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": issuer.issuer_for(claims)},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        registry.validate(dict(claims))
        if nonce is not None and claims.get("nonce") != nonce:
            raise TokenError("the token is not valid: it belongs to another login")
        # An identity token for several must name us as the one that it was made for.
        is_shared = nonce is not None and isinstance(claims.get("aud"), list)
        if is_shared and claims.get("azp", audience) != audience:
            raise TokenError("the token is not valid: it was made for somebody else")
