"""The signed claims by which NATS servers know operators, accounts and users (version 2 of NATS).

An operator signs accounts, an account signs its users. A server knows the operator and is given the
accounts; what a user may do stands in the user's own claims, which it brings along.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from broker.permissions import Permissions
from shem.deploy.keys import Key

__all__ = [
    "AccountClaims",
    "account_jwt",
    "creds_text",
    "operator_jwt",
    "say_the_same",
    "user_jwt",
]

_HEADER: Final = {"typ": "JWT", "alg": "ed25519-nkey"}
_ANY: Final = -1


class AccountClaims(Struct, frozen=True, kw_only=True):
    """What is said of an account.

    `disk_bytes`: how much it may store, None: no limit, 0: nothing, so that it has no JetStream.
    `mappings`: what becomes of published subjects. `revoked`: until when, in Unix seconds, claims
    of a user count for nothing, by public key.
    """

    name: str
    disk_bytes: int | None = None
    mappings: Mapping[str, str] = {}
    revoked: Mapping[str, int] = {}


def operator_jwt(operator: Key, *, system_account: str, at_s: int) -> str:
    """Return the operator's claims, which it signs itself."""
    claims = {"type": "operator", "version": 2, "system_account": system_account}
    return _signed(operator, operator.public, "shem", claims, at_s)


def account_jwt(operator: Key, account: str, about: AccountClaims, *, at_s: int) -> str:
    """Return the claims of the account with the public key `account`."""
    everything = ("subs", "data", "payload", "imports", "exports", "conn", "leaf")
    limits: dict[str, Any] = {**dict.fromkeys(everything, _ANY), "wildcards": True}
    if about.disk_bytes != 0:
        stored = _ANY if about.disk_bytes is None else about.disk_bytes
        limits |= {"disk_storage": stored, "mem_storage": _ANY, "streams": _ANY, "consumer": _ANY}
    claims: dict[str, Any] = {
        "type": "account",
        "version": 2,
        "limits": limits,
        "default_permissions": {"pub": {}, "sub": {}},
    }
    if about.mappings:
        claims["mappings"] = {
            source: [{"subject": target, "weight": 100}]
            for source, target in about.mappings.items()
        }
    if about.revoked:
        claims["revocations"] = dict(about.revoked)
    return _signed(operator, account, about.name, claims, at_s)


def user_jwt(account: Key, user: str, name: str, may: Permissions, *, at_s: int) -> str:
    """Return the claims of the user with the public key `user`."""
    publish: dict[str, Any] = {"allow": list(may.publish)}
    if may.publish_denied:
        publish["deny"] = list(may.publish_denied)
    claims = {
        "type": "user",
        "version": 2,
        "pub": publish,
        "sub": {"allow": list(may.subscribe)},
        "subs": _ANY,
        "data": _ANY,
        "payload": _ANY,
    }
    return _signed(account, user, name, claims, at_s)


def say_the_same(one: str, other: str) -> bool:
    """Whether the same issuer says the same in both, whenever it was said."""
    return _said(one) == _said(other)


def creds_text(jwt: str, seed: str) -> str:
    """Return a credentials file, as every NATS client reads it."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        "The seed below proves who its owner is: keep it to yourself.\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )


def _signed(issuer: Key, subject: str, name: str, claims: dict[str, Any], at_s: int) -> str:
    body: dict[str, Any] = {
        "iat": at_s, "iss": issuer.public, "name": name, "sub": subject, "nats": claims,
    }  # fmt: skip
    digest = hashlib.sha256(msgspec.json.encode(body, order="sorted")).digest()
    body["jti"] = base64.b32encode(digest).rstrip(b"=").decode()
    text = f"{_encoded(_HEADER)}.{_encoded(body)}"
    return f"{text}.{_base64(issuer.sign(text.encode()))}"


def _said(jwt: str) -> dict[str, Any] | None:
    """Return what claims say but for when, None: this is nothing that `_signed` made."""
    try:
        encoded = jwt.split(".")[1]
        padded = encoded + "=" * (-len(encoded) % 4)
        body = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=dict[str, Any])
    except (IndexError, ValueError):
        return None
    return {key: said for key, said in body.items() if key not in {"iat", "jti"}}


def _encoded(value: object) -> str:
    return _base64(msgspec.json.encode(value, order="sorted"))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
