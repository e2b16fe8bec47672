"""Security schemes as people write them, in JSON or YAML, and as they are stored."""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, structs

from gateway.errors import DefinitionError
from gateway.security.secrets import hash_key, hash_password, is_hash

__all__ = [
    "SCHEMES",
    "ApiKey",
    "ApiKeyScheme",
    "BasicScheme",
    "JwtScheme",
    "OidcScheme",
    "Scheme",
    "User",
    "concealed",
    "decode_scheme",
    "decode_stored_scheme",
    "scheme_key",
]

SCHEMES: Final = "security/"
SESSION_S: Final = 8 * 3600
SECRETS_MAX: Final = 10_000
KEY_CHARACTERS_MIN: Final = 16
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# What arrives as it was sent: headers have no text but ASCII that all agree upon, and cookies less.
_SENT: Final = {
    "header": re.compile(r"[!-~]([ -~]*[!-~])?"),
    "cookie": re.compile(r"[!#-+\--:<-\[\]-~]+"),
}
# What stands where a secret was.
_HIDDEN: Final = "…"

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
Algorithm: TypeAlias = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
Provider: TypeAlias = Literal["custom", "google", "microsoft", "github", "gitlab", "facebook"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = ("RS256", "PS256", "ES256", "EdDSA")


class Base(
    Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", tag_field="type", kw_only=True
):
    """What schemes have."""

    name: Name


class OidcScheme(Base, frozen=True, tag="oidc", kw_only=True):
    """Browsers log in at a provider, by authorization code with PKCE, and have a session then.

    `issuer` is for `custom` providers, or for one's own instance of a known one; endpoints are
    found by discovery. `redirect_url` only if it is not the host's own.
    """

    provider: Provider = "custom"
    issuer: str | None = None
    client_id: str
    client_secret: str | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    redirect_url: str | None = None
    session_s: Annotated[int, Meta(ge=60, le=30 * 86_400)] = SESSION_S


class JwtScheme(Base, frozen=True, tag="jwt", kw_only=True):
    """`Authorization: Bearer` with a token that an issuer signed.

    Its keys are found by discovery, unless `jwks_url` says where they are.
    """

    issuer: str
    audience: str
    jwks_url: str | None = None
    algorithms: tuple[Algorithm, ...] = ALGORITHMS
    scopes_claim: str = "scope"


class ApiKey(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A key, stored as its digest, and what it may do."""

    name: str
    key: str
    scopes: tuple[str, ...] = ()


class ApiKeyScheme(Base, frozen=True, tag="api-key", kw_only=True):
    """A key that each request brings, in a header, a query variable or a cookie."""

    place: Literal["header", "query", "cookie"] = msgspec.field(default="header", name="in")
    key_name: str = "X-API-Key"
    keys: tuple[ApiKey, ...]


class User(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A name with a password, stored as its hash."""

    name: str
    password: str
    scopes: tuple[str, ...] = ()


class BasicScheme(Base, frozen=True, tag="basic", kw_only=True):
    """`Authorization: Basic` with a name and a password."""

    realm: str = "api"
    users: tuple[User, ...]


Scheme: TypeAlias = OidcScheme | JwtScheme | ApiKeyScheme | BasicScheme


def scheme_key(name: str) -> str:
    """Return where a scheme is kept."""
    return f"{SCHEMES}{name}"


def decode_scheme(data: bytes | Mapping[str, object]) -> Scheme:
    """Return the scheme that JSON or decoded YAML says, keys and passwords as hashes.

    Raises:
        DefinitionError: it is none, with the place of what does not fit.
    """
    found = _read(data)
    _refuse([*_findings(found), *_unsent(found)])
    return _hashed(found)


def decode_stored_scheme(data: bytes) -> Scheme:
    """Return a stored scheme, also one that earlier releases took and that would be refused now.

    Raises:
        DefinitionError: another version of Shem stored it.
    """
    found = _read(data)
    _refuse(_findings(found))
    return found


def concealed(scheme: Scheme) -> Scheme:
    """Return a scheme as anybody may see it."""
    match scheme:
        case OidcScheme(client_secret=str()):
            return structs.replace(scheme, client_secret=_HIDDEN)
        case ApiKeyScheme(keys=keys):
            return structs.replace(
                scheme, keys=tuple(structs.replace(each, key=_HIDDEN) for each in keys)
            )
        case BasicScheme(users=users):
            return structs.replace(
                scheme, users=tuple(structs.replace(each, password=_HIDDEN) for each in users)
            )
        case _:
            return scheme


def _findings(scheme: Scheme) -> list[str]:
    found: list[str] = []
    match scheme:
        case OidcScheme():
            if scheme.issuer is None and scheme.provider == "custom":
                found.append("issuer: a custom provider needs one")
            found += _url("issuer", scheme.issuer) + _url("redirect-url", scheme.redirect_url)
            if scheme.provider != "github" and "openid" not in scheme.scopes:
                found.append("scopes: `openid` must be among them")
        case JwtScheme():
            found += _url("issuer", scheme.issuer) + _url("jwks-url", scheme.jwks_url)
            if not scheme.algorithms:
                found.append("algorithms: at least one")
        case ApiKeyScheme(keys=keys):
            found += _named("keys", [each.name for each in keys])
            found += [
                f"keys: {each.name}: a key has at least {KEY_CHARACTERS_MIN} characters"
                for each in keys
                if len(each.key) < KEY_CHARACTERS_MIN
            ]
        case BasicScheme(users=users):
            found += _named("users", [each.name for each in users])
            found += [
                f"users: {each.name}: a name has no colon" for each in users if ":" in each.name
            ]
    return found


def _read(data: bytes | Mapping[str, object]) -> Scheme:
    try:
        found: Scheme
        if isinstance(data, bytes):
            found = msgspec.json.decode(data, type=Scheme)
        else:
            found = msgspec.convert(data, Scheme)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DefinitionError((f"the security scheme does not fit: {error}",)) from error
    return found


def _refuse(findings: list[str]) -> None:
    if findings:
        raise DefinitionError(tuple(findings))


def _unsent(scheme: Scheme) -> list[str]:
    """Refuse what no header takes, or none as it stands here."""
    match scheme:
        case BasicScheme(realm=realm) if not (realm.isascii() and realm.isprintable()):
            return [f"realm: {realm!r}: it is of visible ASCII characters"]
        case ApiKeyScheme(place="header" | "cookie"):
            return _unsent_keys(scheme)
        case _:
            return []


def _unsent_keys(scheme: ApiKeyScheme) -> list[str]:
    found: list[str] = []
    if not _TOKEN.fullmatch(scheme.key_name):
        found.append(f"key-name: {scheme.key_name!r} is no name of a {scheme.place}")
    return found + [
        f"keys: {each.name}: a key in a {scheme.place} is of visible ASCII characters"
        for each in scheme.keys
        if not is_hash(each.key) and not _SENT[scheme.place].fullmatch(each.key)
    ]


def _named(what: str, names: list[str]) -> list[str]:
    if not 0 < len(names) <= SECRETS_MAX:
        return [f"{what}: 1 to {SECRETS_MAX}, got {len(names)}"]
    return [
        f"{what}: {each!r} is there twice" for each in sorted(set(names)) if names.count(each) > 1
    ]


def _url(what: str, url: str | None) -> list[str]:
    """Refuse what would send secrets in the open, to others than this machine."""
    if url is None:
        return []
    parts = urlsplit(url)
    is_local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme == "https" or (parts.scheme == "http" and is_local):
        return [] if parts.hostname else [f"{what}: {url!r} has no host"]
    return [f"{what}: expected https://…, got {url!r}"]


def _hashed(scheme: Scheme) -> Scheme:
    match scheme:
        case ApiKeyScheme(keys=keys):
            made = tuple(
                each if is_hash(each.key) else structs.replace(each, key=hash_key(each.key))
                for each in keys
            )
            return structs.replace(scheme, keys=made)
        case BasicScheme(users=users):
            return structs.replace(
                scheme,
                users=tuple(
                    each
                    if is_hash(each.password)
                    else structs.replace(each, password=hash_password(each.password))
                    for each in users
                ),
            )
        case _:
            return scheme
