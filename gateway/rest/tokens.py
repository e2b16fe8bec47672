"""API tokens: who may manage, kept as digests in a bucket that all gateways watch."""

import hashlib
import hmac
import re
import secrets
import time
from typing import Annotated, Final, final

import msgspec
from msgspec import Meta, Struct

from actors.api.routes import Routes, route
from actors.errors import ApiError
from broker.ports import Bucket, BucketEntry, Request, Subscription
from gateway.rest.operation import Role

__all__ = ["TOKENS_MAX", "Token", "TokenManagement", "Tokens"]

TOKENS: Final = "token/"
TOKENS_MAX: Final = 10_000
_FORM: Final = re.compile(r"shem_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")


class Token(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A token without its secret. Times are Unix time in milliseconds."""

    id: str
    name: str
    role: Role
    created_at_ms: int
    expires_at_ms: int | None = None


class _Kept(Struct, frozen=True):
    token: Token
    sha256: str


class CreateToken(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Make a token."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    role: Role
    expires_at_ms: Annotated[int, Meta(ge=0, le=1 << 53)] | None = None


class RevokeToken(Struct, frozen=True, forbid_unknown_fields=True):
    """End a token."""

    id: str


class ListTokens(Struct, frozen=True, forbid_unknown_fields=True):
    """All tokens."""


@final
class TokenManagement:
    """Tokens are made, listed and revoked; their secrets are told once and kept nowhere."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def routes(self) -> Routes:
        """Return the operations of this noun."""
        return {
            "token.create": route(CreateToken, self._create),
            "token.list": route(ListTokens, self._list),
            "token.revoke": route(RevokeToken, self._revoke),
        }

    async def _create(self, body: CreateToken, _request: Request) -> object:
        if len(await self._bucket.keys(TOKENS)) >= TOKENS_MAX:
            raise ApiError("too-many", f"there are {TOKENS_MAX} tokens; revoke some")
        id_ = secrets.token_hex(6)
        secret = f"shem_{id_}_{secrets.token_urlsafe(32)}"
        token = Token(
            id=id_,
            name=body.name,
            role=body.role,
            created_at_ms=_now_ms(),
            expires_at_ms=body.expires_at_ms,
        )
        await self._bucket.create(f"{TOKENS}{id_}", msgspec.json.encode(_Kept(token, _sha(secret))))
        return {"token": token, "secret": secret}

    async def _list(self, _body: ListTokens, _request: Request) -> object:
        entries = [await self._bucket.get(key) for key in await self._bucket.keys(TOKENS)]
        kept = [
            msgspec.json.decode(entry.data, type=_Kept)
            for entry in entries
            if entry is not None and entry.data is not None
        ]
        return {"tokens": [each.token for each in kept]}

    async def _revoke(self, body: RevokeToken, _request: Request) -> object:
        entry = await self._bucket.get(f"{TOKENS}{body.id}")
        if entry is None or entry.data is None:
            raise ApiError("unknown-token", f"there is no token {body.id!r}")
        await self._bucket.delete(f"{TOKENS}{body.id}")
        return {"revoked": body.id}


@final
class Tokens:
    """All tokens, followed as they change: one that is revoked counts no more at once."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._kept: dict[str, _Kept] = {}
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Follow from now on."""
        self._subscription = await self._bucket.watch(self._on_entry, prefix=TOKENS)

    async def stop(self) -> None:
        """Follow no more."""
        if self._subscription is not None:
            await self._subscription.close()

    def find(self, secret: str) -> Token | None:
        """Return the token of a secret; None for what is forged, revoked or expired."""
        form = _FORM.fullmatch(secret)
        kept = self._kept.get(form[1]) if form else None
        if kept is None or not hmac.compare_digest(kept.sha256, _sha(secret)):
            return None
        expires = kept.token.expires_at_ms
        return None if expires is not None and expires <= _now_ms() else kept.token

    def _on_entry(self, entry: BucketEntry) -> None:
        id_ = entry.key.removeprefix(TOKENS)
        if entry.data is None:
            self._kept.pop(id_, None)
        else:
            self._kept[id_] = msgspec.json.decode(entry.data, type=_Kept)


def _sha(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
