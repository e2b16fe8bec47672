"""Who may use a route: the first of its requirements that the request meets."""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, assert_never, final

from gateway.cookies import cookies_of
from gateway.definitions import Requirement
from gateway.errors import RequestError
from gateway.incoming import Incoming
from gateway.responses import Response
from gateway.security.cookies import cookie_name, crosses_origins
from gateway.security.login import AUTH, Logins, login_url
from gateway.security.principal import Principal, scopes_of
from gateway.security.providers import Providers
from gateway.security.schemes import (
    ApiKeyScheme,
    BasicScheme,
    JwtScheme,
    OidcScheme,
    Scheme,
)
from gateway.security.secrets import matches_key, matches_password
from gateway.security.sessions import Sessions
from gateway.security.tokens import TokenError, Tokens

__all__ = ["RouteGuard"]

# Passwords that were right lately, so that not every request takes as long as a guess.
RIGHT_MAX: Final = 10_000
# At the same time; each takes a thread and 32 MiB.
GUESSES_MAX: Final = 2


@final
class RouteGuard:
    """Lets requests in, or not."""

    def __init__(
        self,
        schemes: Callable[[], Mapping[str, Scheme]],
        providers: Providers,
        sessions: Sessions,
    ) -> None:
        """Make one; `schemes` are asked for at each request."""
        self._schemes = schemes
        self._providers = providers
        self._sessions = sessions
        self._tokens = Tokens(providers)
        self._logins = Logins(providers, self._tokens, sessions)
        self._passwords = _Passwords()

    @property
    def schemes(self) -> Mapping[str, Scheme]:
        """The schemes there are."""
        return self._schemes()

    async def admit(self, wanted: Sequence[Requirement], request: Incoming) -> Principal | None:
        """Return who asks, None for a route that is open to all.

        Raises:
            RequestError: 401, nobody that the route knows; 403, but not for this; 503, an identity
                provider cannot be asked. 303 sends a browser to log in.
        """
        if not wanted:
            return None
        refusal: RequestError | None = None
        for each in wanted:
            scheme = self._schemes().get(each.scheme)
            if scheme is None:
                raise RequestError(500, "internal", f"there is no security scheme {each.scheme}")
            try:
                found = await self._identified(scheme, request)
            except TokenError as error:
                refusal = refusal or _refused(scheme, str(error))
                continue
            if found is None:
                continue
            missing = sorted(set(each.scopes) - found.scopes)
            if missing:
                refusal = _lacking(missing)
                continue
            if found.by_cookie and crosses_origins(request):
                detail = "a page of another origin may not do this in your name"
                raise RequestError(403, "cross-origin", detail)
            return found
        raise refusal or self._unknown(wanted, request)

    async def answer(self, request: Incoming) -> Response:
        """Answer a request below `/.shem/auth`.

        Raises:
            RequestError: 404, there is no such path; or as `Logins` says.
        """
        match request.path[len(AUTH) :]:
            case ["logout"]:
                known = [each for each in self._schemes().values() if isinstance(each, OidcScheme)]
                return await self._logins.end(known, request)
            case [name, ("login" | "callback") as step]:
                scheme = self._schemes().get(name)
                if isinstance(scheme, OidcScheme) and request.method == "GET":
                    run = self._logins.begin if step == "login" else self._logins.finish
                    return await run(scheme, request)
            case _:
                pass
        raise RequestError(404, "unknown-path", f"no route for /{'/'.join(request.path)}")

    async def _identified(self, scheme: Scheme, request: Incoming) -> Principal | None:
        """Return who a scheme says it is, None if the request brings nothing for it.

        Raises:
            TokenError: what it brings is wrong.
        """
        match scheme:
            case OidcScheme():
                return await self._by_session(scheme, request)
            case JwtScheme():
                return await self._by_token(scheme, request)
            case ApiKeyScheme():
                return _by_key(scheme, request)
            case BasicScheme():
                return await self._by_password(scheme, request)
            case _:
                assert_never(scheme)

    async def _by_session(self, scheme: OidcScheme, request: Incoming) -> Principal | None:
        cookies = cookies_of(request.headers.get("cookie", ""))
        for name in cookies.get(cookie_name(request, scheme.name), ()):
            session = await self._sessions.find(name)
            if session and session.scheme == scheme.name and session.host == request.host:
                return Principal(
                    scheme.name,
                    session.subject,
                    session.claims,
                    frozenset(session.scopes),
                    by_cookie=True,
                )
        return None

    async def _by_token(self, scheme: JwtScheme, request: Incoming) -> Principal | None:
        token = _credentials(request, "bearer")
        if token is None:
            return None
        claims = await self._tokens.claims(
            token,
            await self._providers.of_tokens(scheme),
            audience=scheme.audience,
            algorithms=scheme.algorithms,
        )
        scopes = scopes_of(claims.get(scheme.scopes_claim))
        return Principal(scheme.name, str(claims["sub"]), claims, scopes)

    async def _by_password(self, scheme: BasicScheme, request: Incoming) -> Principal | None:
        text = _credentials(request, "basic")
        if text is None:
            return None
        try:
            name, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
        except ValueError as error:
            raise TokenError("the credentials are malformed") from error
        user = next((each for each in scheme.users if each.name == name), None)
        # A name that does not exist takes as long as a wrong password.
        stored = (user or scheme.users[0]).password
        is_right = await self._passwords.is_right(stored, password)
        if not colon or user is None or not is_right:
            raise TokenError("name or password is wrong")
        claims = {"sub": name, "scope": " ".join(user.scopes)}
        return Principal(scheme.name, name, claims, frozenset(user.scopes))

    def _unknown(self, wanted: Sequence[Requirement], request: Incoming) -> RequestError:
        schemes = [self._schemes()[each.scheme] for each in wanted]
        login = next((each for each in schemes if isinstance(each, OidcScheme)), None)
        if login is not None and _is_navigation(request):
            url = login_url(login.name, request.target)
            return RequestError(303, "login", "log in first", (("location", url), _NEVER_KEPT))
        challenges = tuple(("www-authenticate", _challenge(each)) for each in schemes)
        return RequestError(401, "unauthenticated", "who asks? log in or send a token", challenges)


_NEVER_KEPT: Final = ("cache-control", "no-store")


@final
class _Passwords:
    """Checks passwords, a few at a time, and knows those that were right lately."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._turn = asyncio.Semaphore(GUESSES_MAX)

    async def is_right(self, stored: str, password: str) -> bool:
        known = hmac.digest(self._secret, f"{stored}\n{password}".encode(), hashlib.sha256)
        if known in self._right:
            self._right.move_to_end(known)
            return True
        async with self._turn:
            is_right = await asyncio.to_thread(matches_password, stored, password)
        if is_right:
            self._right[known] = None
            if len(self._right) > RIGHT_MAX:
                self._right.popitem(last=False)
        return is_right


def _by_key(scheme: ApiKeyScheme, request: Incoming) -> Principal | None:
    match scheme.place:
        case "header":
            value = request.headers.get(scheme.key_name.lower())
            given: Sequence[str] = () if value is None else (value,)
        case "query":
            given = request.query.get(scheme.key_name, ())
        case "cookie":
            cookies = cookies_of(request.headers.get("cookie", ""))
            given = cookies.get(scheme.key_name, ())
    if not given:
        return None
    found = None
    # All of them, so that the time does not tell which one it is.
    for each in scheme.keys:
        if matches_key(each.key, given[0]):
            found = each
    if found is None:
        raise TokenError("the key is not known")
    claims = {"sub": found.name, "scope": " ".join(found.scopes)}
    by_cookie = scheme.place == "cookie"
    return Principal(scheme.name, found.name, claims, frozenset(found.scopes), by_cookie=by_cookie)


def _credentials(request: Incoming, kind: str) -> str | None:
    given, _, text = request.headers.get("authorization", "").partition(" ")
    return text.strip() if given.lower() == kind else None


def _is_navigation(request: Incoming) -> bool:
    """Return whether somebody sees the answer as a page, and not a script."""
    mode = request.headers.get("sec-fetch-mode", "navigate")
    is_page = "text/html" in request.headers.get("accept", "")
    return request.method == "GET" and mode == "navigate" and is_page


def _challenge(scheme: Scheme) -> str:
    match scheme:
        case OidcScheme():
            return f'Login url="{login_url(scheme.name, "/")}"'
        case JwtScheme():
            return "Bearer"
        case ApiKeyScheme():
            return f'ApiKey in="{scheme.place}", name={_quoted(scheme.key_name)}'
        case BasicScheme():
            return f'Basic realm={_quoted(scheme.realm)}, charset="UTF-8"'
        case _:
            assert_never(scheme)


def _quoted(text: str) -> str:
    """Return a text as a string of a header; earlier releases stored some that no header takes."""
    sent = "".join(each if each.isascii() and each.isprintable() else "?" for each in text)
    escaped = sent.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _refused(scheme: Scheme, reason: str) -> RequestError:
    challenge = _challenge(scheme)
    if isinstance(scheme, JwtScheme):
        challenge = 'Bearer error="invalid_token"'
    return RequestError(401, "unauthenticated", reason, (("www-authenticate", challenge),))


def _lacking(scopes: Sequence[str]) -> RequestError:
    challenge = f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"'
    detail = f"the scopes {', '.join(scopes)} are missing"
    return RequestError(403, "insufficient-scope", detail, (("www-authenticate", challenge),))
