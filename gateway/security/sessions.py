"""Who is logged in, and who is about to be: in a bucket, so that every gateway knows."""

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, final

import msgspec
from msgspec import Struct

from broker.errors import ExistsError
from broker.ports import Bucket

__all__ = ["Login", "Session", "Sessions"]

LOGIN_S: Final = 600
# What a login may bring along; larger claims are what tokens are not made for.
SESSION_BYTES_MAX: Final = 64 * 1024


class Login(Struct, frozen=True):
    """A login on its way: what its callback needs. `browser` is the digest of a cookie."""

    scheme: str
    host: str
    browser: str
    nonce: str
    verifier: str
    redirect_url: str
    return_to: str


class Session(Struct, frozen=True):
    """Somebody who is logged in at a host. `expires_at_s` is Unix time."""

    scheme: str
    host: str
    subject: str
    # JSON, as tokens carry it.
    claims: Mapping[str, Any]
    scopes: tuple[str, ...]
    expires_at_s: float
    id_token: str = ""


@final
class Sessions:
    """Logins and sessions. Only digests of their names are stored: who reads them can use none."""

    def __init__(self, bucket: Bucket, clock: Callable[[], float] = time.time) -> None:
        self._bucket = bucket
        self._clock = clock

    async def begin(self, login: Login) -> str:
        """Keep a login for some minutes; return the state that the provider sends back."""
        state = secrets.token_urlsafe(32)
        data = msgspec.json.encode(login)
        await self._bucket.put(f"login/{digest(state)}", data, ttl_s=LOGIN_S)
        return state

    async def finish(self, state: str) -> Login | None:
        """Return a login, to one caller once; None if there is none."""
        key = f"login/{digest(state)}"
        entry = await self._bucket.get(key)
        if entry is None or not entry.data:
            return None
        try:
            await self._bucket.update(key, b"", revision=entry.revision)
        except ExistsError:
            return None
        await self._bucket.delete(key)
        return msgspec.json.decode(entry.data, type=Login)

    async def open(self, session: Session) -> str:
        """Keep a session until it expires; return its name, which only the browser may know."""
        name = secrets.token_urlsafe(32)
        ttl_s = max(1.0, session.expires_at_s - self._clock())
        await self._bucket.put(f"session/{digest(name)}", msgspec.json.encode(session), ttl_s=ttl_s)
        return name

    async def find(self, name: str) -> Session | None:
        """Return a session that has not expired."""
        entry = await self._bucket.get(f"session/{digest(name)}")
        if entry is None or not entry.data:
            return None
        session = msgspec.json.decode(entry.data, type=Session)
        return session if self._clock() < session.expires_at_s else None

    async def end(self, name: str) -> None:
        """Forget a session."""
        await self._bucket.delete(f"session/{digest(name)}")


def digest(name: str) -> str:
    """Return what is stored of a secret."""
    return hashlib.sha256(name.encode()).hexdigest()
