"""What is known of identity providers: presets, discovery documents, signing keys.

The only file of the gateway that asks other servers. Answers are kept for an hour, and the keys are
looked at again when a token names one that is not among them, at most once in a while.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, final

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct

from gateway.errors import RequestError
from gateway.security.schemes import JwtScheme, OidcScheme

__all__ = ["Endpoints", "Providers", "unreachable"]

TIMEOUT_S: Final = 10.0
KEPT_S: Final = 3_600.0
# Tokens of strangers must not make us ask all the time.
KEYS_AGAIN_S: Final = 10.0
ANSWER_BYTES_MAX: Final = 1024 * 1024

_ISSUERS: Final = {
    "google": "https://accounts.google.com",
    "microsoft": "https://login.microsoftonline.com/common/v2.0",
    "gitlab": "https://gitlab.com",
    "facebook": "https://www.facebook.com",
    "github": "https://github.com",
}
# What their discovery documents do not say, or that they have none.
_KNOWN: Final[Mapping[str, Mapping[str, str]]] = {
    "facebook": {"token_endpoint": "https://graph.facebook.com/oauth/access_token"},
    "github": {
        "issuer": "https://github.com",
        "authorization_endpoint": "https://github.com/login/oauth/authorize",
        "token_endpoint": "https://github.com/login/oauth/access_token",
        "userinfo_endpoint": "https://api.github.com/user",
    },
}
# Its tokens name the issuer of the user's own organization.
_TENANT: Final = "{tenantid}"

_log = structlog.get_logger(__name__)


class Endpoints(Struct, frozen=True):
    """Where a provider is asked what. `issuer` may have a place for the tenant of a token."""

    issuer: str
    authorization: str = ""
    token: str = ""
    userinfo: str = ""
    jwks: str = ""
    end_session: str = ""
    algorithms: tuple[str, ...] = ()
    iss_in_callback: bool = False

    def issuer_for(self, claims: Mapping[str, object]) -> str:
        """Return the issuer that a token with these claims must have."""
        return self.issuer.replace(_TENANT, str(claims.get("tid", "")))


class _Kept(Struct):
    value: Any
    at: float


@final
class Providers:
    """Asks providers, and remembers."""

    def __init__(
        self,
        http: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.http = http or httpx.AsyncClient()
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def close(self) -> None:
        """Close all connections."""
        await self.http.aclose()

    async def of_login(self, scheme: OidcScheme) -> Endpoints:
        """Return where somebody logs in.

        Raises:
            RequestError: 503, the provider cannot be asked.
        """
        issuer = (scheme.issuer or _ISSUERS[scheme.provider]).rstrip("/")
        known = dict(_KNOWN.get(scheme.provider, {}))
        if scheme.provider == "github":
            if scheme.issuer is not None:
                known = {
                    name: url.replace("https://github.com", issuer) for name, url in known.items()
                }
                known["userinfo_endpoint"] = f"{issuer}/api/v3/user"
            return _endpoints(known)
        return _endpoints({**await self._discovered(issuer), **known})

    async def of_tokens(self, scheme: JwtScheme) -> Endpoints:
        """Return whose tokens are taken, and where their keys are. Raises as `of_login`."""
        if scheme.jwks_url is not None:
            return Endpoints(scheme.issuer, jwks=scheme.jwks_url)
        return _endpoints(await self._discovered(scheme.issuer.rstrip("/")))

    async def keys(self, url: str, *, missing: bool = False) -> KeySet:
        """Return the keys at a URL; `missing`: one was not among those we have.

        Raises:
            RequestError: 503, they cannot be had.
        """
        found = await self._json(url, again_after_s=KEYS_AGAIN_S if missing else KEPT_S)
        try:
            return KeySet.import_key_set(found)  # type: ignore[arg-type] # checked by the library
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise unreachable(url, error) from error

    async def _discovered(self, issuer: str) -> Mapping[str, Any]:
        url = f"{issuer}/.well-known/openid-configuration"
        found = await self._json(url, again_after_s=KEPT_S)
        told = str(found.get("issuer", ""))
        if told.rstrip("/") != issuer and _TENANT not in told:
            raise unreachable(url, f"it says that the issuer is {told!r}")
        return found

    async def _json(self, url: str, *, again_after_s: float) -> Mapping[str, Any]:
        kept = self._kept.get(url)
        if kept is not None and self._clock() - kept.at < again_after_s:
            return dict(kept.value)
        async with self._asking.setdefault(url, asyncio.Lock()):
            again = self._kept.get(url)
            if again is not None and again is not kept:
                return dict(again.value)
            try:
                found = await self._get(url)
            except RequestError:
                if kept is None:
                    raise
                # Keys change rarely: better the old ones than nobody let in.
                _log.warning(
                    "identity provider cannot be asked; going on with what is known", url=url
                )
                found = kept.value
            self._kept[url] = _Kept(found, self._clock())
            return dict(found)

    async def _get(self, url: str) -> Mapping[str, Any]:
        try:
            response = await self.http.get(url, timeout=TIMEOUT_S)
            response.raise_for_status()
            if len(response.content) > ANSWER_BYTES_MAX:
                raise unreachable(url, f"the answer has {len(response.content)} bytes")
            found = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise unreachable(url, error) from error
        if not isinstance(found, dict):
            raise unreachable(url, "expected an object")
        return found  # pyright: ignore[reportUnknownVariableType] - JSON of others, read field by field


def unreachable(url: str, error: object) -> RequestError:
    """Return the error for a provider that does not answer as it should."""
    detail = f"the identity provider at {url} cannot be asked: {error!r}"
    return RequestError(503, "unavailable", detail, (("retry-after", "5"),))


def _endpoints(found: Mapping[str, Any]) -> Endpoints:
    algorithms = found.get("id_token_signing_alg_values_supported", ())
    return Endpoints(
        issuer=str(found.get("issuer", "")),
        authorization=str(found.get("authorization_endpoint", "")),
        token=str(found.get("token_endpoint", "")),
        userinfo=str(found.get("userinfo_endpoint", "")),
        jwks=str(found.get("jwks_uri", "")),
        end_session=str(found.get("end_session_endpoint", "")),
        algorithms=tuple(str(each) for each in algorithms),
        iss_in_callback=found.get("authorization_response_iss_parameter_supported") is True,
    )
