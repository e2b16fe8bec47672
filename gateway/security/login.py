"""Logging in at an identity provider: authorization code with PKCE, and a session afterwards.

| path below `/.shem/auth` | |
|---|---|
| `{scheme}/login?return-to=/…` | sends the browser to the provider |
| `{scheme}/callback` | where the provider sends it back; opens the session |
| `logout` | POST: ends the sessions of this browser |
"""

import hashlib
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final, final
from urllib.parse import urlencode, urlsplit

import httpx

from gateway.cookies import cookies_of
from gateway.errors import RequestError
from gateway.incoming import Incoming
from gateway.responses import Response
from gateway.security.cookies import cookie_name, crosses_origins, ended_cookie, set_cookie
from gateway.security.principal import scopes_of
from gateway.security.providers import TIMEOUT_S, Endpoints, Providers, unreachable
from gateway.security.schemes import OidcScheme
from gateway.security.sessions import LOGIN_S, Login, Session, Sessions, digest
from gateway.security.tokens import TokenError, Tokens

__all__ = ["AUTH", "Logins", "login_url"]

AUTH: Final = (".shem", "auth")
URL_CHARACTERS_MAX: Final = 2_000


def login_url(scheme: str, return_to: str) -> str:
    """Return where a browser logs in, to come back to a path of this host."""
    return f"/{'/'.join(AUTH)}/{scheme}/login?{urlencode({'return-to': return_to})}"


@final
class Logins:
    """The paths below `/.shem/auth`."""

    def __init__(self, providers: Providers, tokens: Tokens, sessions: Sessions) -> None:
        self._providers = providers
        self._tokens = tokens
        self._sessions = sessions

    async def begin(self, scheme: OidcScheme, request: Incoming) -> Response:
        """Send the browser to the provider.

        Raises:
            RequestError: 503, the provider cannot be asked.
        """
        endpoints = await self._providers.of_login(scheme)
        return_to = _own_path((request.query.get("return-to") or ["/"])[0])
        browser, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        callback = scheme.redirect_url or _callback(scheme, request)
        login = Login(
            scheme=scheme.name,
            host=request.host,
            browser=digest(browser),
            nonce=secrets.token_urlsafe(24),
            verifier=verifier,
            redirect_url=callback,
            return_to=return_to,
        )
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        asked = {
            "response_type": "code",
            "client_id": scheme.client_id,
            "redirect_uri": callback,
            "scope": " ".join(scheme.scopes),
            "state": await self._sessions.begin(login),
            "nonce": login.nonce,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        separator = "&" if urlsplit(endpoints.authorization).query else "?"
        cookie = set_cookie(request, "login", browser, LOGIN_S)
        return _redirect(f"{endpoints.authorization}{separator}{urlencode(asked)}", cookie)

    async def finish(self, scheme: OidcScheme, request: Incoming) -> Response:
        """Open the session of a browser that the provider has sent back.

        Raises:
            RequestError: 400, this browser did not begin it, or the provider refused; 403, what
                the provider says is not valid; 503, it cannot be asked.
        """
        told = {name: values[0] for name, values in request.query.items()}
        login = await self._sessions.finish(told.get("state", ""))
        cookies = cookies_of(request.headers.get("cookie", ""))
        browser = (cookies.get(cookie_name(request, "login")) or [""])[0]
        if (
            login is None
            or login.scheme != scheme.name
            or login.host != request.host
            or not secrets.compare_digest(login.browser, digest(browser))
        ):
            detail = "this browser has begun no such login, or too long ago; try again"
            raise RequestError(400, "login-failed", detail)
        if "code" not in told:
            reason = told.get("error_description") or told.get("error") or "there is no code"
            raise RequestError(400, "login-failed", f"the identity provider says: {reason[:200]}")
        endpoints = await self._providers.of_login(scheme)
        told_issuer = told.get("iss")
        if told_issuer != endpoints.issuer and (told_issuer or endpoints.iss_in_callback):
            raise RequestError(400, "login-failed", "another identity provider has answered")
        session = await self._session(scheme, endpoints, login, told["code"])
        name = await self._sessions.open(session)
        return _redirect(
            login.return_to,
            set_cookie(request, scheme.name, name, scheme.session_s),
            ended_cookie(request, "login"),
        )

    async def end(self, schemes: Sequence[OidcScheme], request: Incoming) -> Response:
        """End the sessions of a browser; the provider's own goes on.

        Raises:
            RequestError: 403, a page of another origin asks; 405, it is no POST.
        """
        if request.method != "POST":
            detail = "logging out is a POST"
            raise RequestError(405, "method-not-allowed", detail, (("allow", "POST"),))
        if crosses_origins(request):
            raise RequestError(403, "cross-origin", "a page of another origin may not log you out")
        cookies = cookies_of(request.headers.get("cookie", ""))
        ended: list[tuple[str, str]] = []
        for scheme in schemes:
            for name in cookies.get(cookie_name(request, scheme.name), ()):
                await self._sessions.end(name)
                ended.append(ended_cookie(request, scheme.name))
        return Response(204, tuple(ended), b"")

    async def _session(
        self, scheme: OidcScheme, endpoints: Endpoints, login: Login, code: str
    ) -> Session:
        answer = await self._exchanged(scheme, endpoints, login, code)
        token = str(answer.get("id_token", ""))
        if scheme.provider == "github":
            claims = await self._userinfo(endpoints, str(answer.get("access_token", "")))
        else:
            try:
                claims = await self._tokens.claims(
                    token,
                    endpoints,
                    audience=scheme.client_id,
                    algorithms=endpoints.algorithms or ("RS256",),
                    nonce=login.nonce,
                )
            except TokenError as error:
                raise RequestError(403, "login-failed", str(error)) from error
        # Who says nothing of scopes has granted what was asked for (RFC 6749, 5.1).
        granted = scopes_of(answer["scope"]) if answer.get("scope") else frozenset(scheme.scopes)
        return Session(
            scheme=scheme.name,
            host=login.host,
            subject=str(claims.get("sub", "")),
            claims=claims,
            scopes=tuple(sorted(granted)),
            expires_at_s=time.time() + scheme.session_s,
            id_token=token,
        )

    async def _exchanged(
        self, scheme: OidcScheme, endpoints: Endpoints, login: Login, code: str
    ) -> Mapping[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": login.redirect_url,
            "client_id": scheme.client_id,
            "code_verifier": login.verifier,
        }
        auth = None
        if scheme.client_secret is not None:
            del form["client_id"]
            auth = httpx.BasicAuth(_quoted(scheme.client_id), _quoted(scheme.client_secret))
        try:
            response = await self._providers.http.post(
                endpoints.token,
                data=form,
                auth=auth or httpx.USE_CLIENT_DEFAULT,
                headers={"accept": "application/json"},
                timeout=TIMEOUT_S,
            )
            answer: Any = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise unreachable(endpoints.token, error) from error
        if response.status_code >= 500 or not isinstance(answer, dict):
            raise unreachable(endpoints.token, f"status {response.status_code}")
        if response.status_code >= 400 or "error" in answer:
            reason = str(answer.get("error_description") or answer.get("error"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - JSON
            raise RequestError(403, "login-failed", f"the identity provider says: {reason[:200]}")
        return answer  # pyright: ignore[reportUnknownVariableType] - JSON, read field by field

    async def _userinfo(self, endpoints: Endpoints, token: str) -> Mapping[str, Any]:
        """Return claims of a provider that has no identity tokens, by its names for them."""
        headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
        try:
            response = await self._providers.http.get(
                endpoints.userinfo, headers=headers, timeout=TIMEOUT_S
            )
            response.raise_for_status()
            found: dict[str, Any] = response.json()
            return {
                "iss": endpoints.issuer,
                "sub": str(found["id"]),
                "preferred_username": found.get("login"),
                "name": found.get("name"),
                "email": found.get("email"),
                "picture": found.get("avatar_url"),
            }
        except (httpx.HTTPError, ValueError, KeyError, AttributeError) as error:
            raise unreachable(endpoints.userinfo, error) from error


def _callback(scheme: OidcScheme, request: Incoming) -> str:
    return f"{request.scheme}://{request.host}/{'/'.join(AUTH)}/{scheme.name}/callback"


def _own_path(path: str) -> str:
    """Return a path of this host; browsers take many a spelling for another host."""
    is_plain = path.isprintable() and path.isascii() and len(path) <= URL_CHARACTERS_MAX
    if not is_plain or not path.startswith("/") or path[1:2] in {"/", "\\"}:
        return "/"
    return path


def _redirect(url: str, *cookies: tuple[str, str]) -> Response:
    headers = (("location", url), ("cache-control", "no-store"), *cookies)
    return Response(303, headers, b"")


def _quoted(text: str) -> str:
    """Return a part of the credentials as RFC 6749, 2.3.1 wants it."""
    return urlencode({"": text})[1:]
