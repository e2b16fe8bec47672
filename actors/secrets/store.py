"""The secrets of all components in their bucket.

    <component>/<name>/<version>   {created, sealed: salt and value, encrypted}; erased: no sealed

A version never changes and its number is never given again, so that a log can name it. What a log
records of it is the number and a digest over a random salt and the value: without the key nobody
can try values against it.
"""

import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, final

import msgspec
from msgspec import Struct, structs

from actors.errors import ApiError, RetryableError
from actors.secrets.keys import KeyRing, KeysError, MissingKeyError
from broker.errors import ExistsError, UnavailableError
from broker.ports import Bucket, BucketEntry, Subscription

__all__ = ["Pinned", "SecretGoneError", "SecretInfo", "SecretKeyError", "SecretStore", "check_name"]

NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
VALUE_BYTES_MAX: Final = 64 << 10
SECRETS_MAX: Final = 1_000
VERSIONS_MAX: Final = 1_000
_CONFLICTS_MAX: Final = 20
_SALT_BYTES: Final = 32


class SecretGoneError(RetryableError):
    """A log names a version that cannot be read: erased, of a lost key, or changed."""


class SecretKeyError(SecretGoneError, UnavailableError):
    """The key of a version is not at this executor: no fault of the guest, and it may come."""


class Pinned(Struct, frozen=True):
    """A version as a log names it."""

    version: int
    digest: str


class SecretInfo(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What anybody may know of a secret. `versions` are those that can be read, oldest first."""

    component: str
    name: str
    versions: tuple[int, ...]
    created_at_ms: int


class _Kept(Struct, frozen=True, kw_only=True, omit_defaults=True):
    created_ms: int
    sealed: bytes = b""


class _Plain(Struct, frozen=True, array_like=True):
    salt: bytes
    value: bytes


_Key = tuple[str, str, int]
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Kept).decode
_decode_plain: Final = msgspec.msgpack.Decoder(_Plain).decode


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a secret.

    Raises:
        ApiError: it says what is wrong.
    """
    if NAME.fullmatch(name) is None:
        raise ApiError(
            "bad-request", f"secret name {name!r}: 1 to 100 of A-Z, a-z, 0-9, '_', '.' and '-'"
        )


@final
class SecretStore:
    """All secrets, followed as they change; decrypted only when somebody reads one."""

    def __init__(self, bucket: Bucket, keys: KeyRing) -> None:
        self._bucket = bucket
        self._keys = keys
        self._kept: dict[str, dict[str, dict[int, _Kept]]] = {}
        self._subscription: Subscription | None = None

    @property
    def keys(self) -> KeyRing:
        """What encrypts and decrypts."""
        return self._keys

    async def start(self) -> None:
        """Follow from now on.

        Raises:
            UnavailableError: the broker does not answer.
        """
        for entry in await self._bucket.changes():
            self._on_entry(entry)
        self._subscription = await self._bucket.watch(self._on_entry)

    async def stop(self) -> None:
        """Follow no more."""
        if self._subscription is not None:
            await self._subscription.close()
            self._subscription = None

    def has_any(self, component: str) -> bool:
        """Whether a component has or had secrets: then its guests' memory may hold them."""
        return component in self._kept

    def newest(self, component: str, name: str) -> Pinned | None:
        """Return the newest version of a secret, None if there is none.

        Raises:
            SecretGoneError: it does not decrypt.
        """
        readable = [
            version for version, kept in self._versions(component, name).items() if kept.sealed
        ]
        if not readable:
            return None
        version = max(readable)
        return Pinned(version, _digest(self._open((component, name, version))))

    def read(self, component: str, name: str, pinned: Pinned) -> bytes:
        """Return the value of the version that a log names.

        Raises:
            SecretGoneError: it cannot be read, or is another one.
        """
        plain = self._open((component, name, pinned.version))
        if _digest(plain) != pinned.digest:
            raise SecretGoneError(
                f"version {pinned.version} of the secret {component}/{name} is not the one that "
                "was read"
            )
        return plain.value

    async def set(self, component: str, name: str, value: bytes, *, now_ms: int) -> int:
        """Make a new version; return its number.

        Raises:
            ApiError: too many, too large, or no keys.
        """
        check_name(name)
        if len(value) > VALUE_BYTES_MAX:
            raise ApiError("too-large", f"a secret has at most {VALUE_BYTES_MAX} bytes")
        try:
            value.decode()
        except UnicodeDecodeError as error:
            raise ApiError("bad-request", "a secret is text in UTF-8: encode bytes") from error
        if len(self._kept.get(component, {})) >= SECRETS_MAX:
            raise ApiError("too-many", f"component {component!r} has {SECRETS_MAX} secrets")
        for _ in range(_CONFLICTS_MAX):
            version = max(self._versions(component, name), default=0) + 1
            if version > VERSIONS_MAX:
                raise ApiError(
                    "too-many",
                    f"{component}/{name} has had {VERSIONS_MAX} versions: use another name",
                )
            key = component, name, version
            plain = _Plain(os.urandom(_SALT_BYTES), value)
            kept = _Kept(created_ms=now_ms, sealed=self._seal(key, plain))
            try:
                await self._bucket.create(_key(key), _encode(kept))
            except ExistsError:
                # By another executor, of which we have not heard yet.
                entry = await self._bucket.get(_key(key))
                if entry is not None:
                    self._on_entry(entry)
                continue
            self._keep(key, kept)
            return version
        raise ApiError("unavailable", f"{component}/{name} is set by too many at once")

    def all(self, component: str | None = None) -> list[SecretInfo]:
        """Return the secrets of a component, or of all, that have a version left."""
        return [
            SecretInfo(
                component=owner,
                name=name,
                versions=readable,
                created_at_ms=versions[readable[-1]].created_ms,
            )
            for owner, names in sorted(self._kept.items())
            if component in {None, owner}
            for name, versions in sorted(names.items())
            if (readable := tuple(at for at, kept in sorted(versions.items()) if kept.sealed))
        ]

    async def erase(self, component: str, name: str, version: int | None) -> list[int]:
        """Erase a version, or all; return which. Workers that read one cannot be replayed after it.

        Raises:
            ApiError: there is no such version.
        """
        found = self._versions(component, name)
        doomed = [
            number
            for number, kept in sorted(found.items())
            if kept.sealed and version in {None, number}
        ]
        if not doomed:
            which = "" if version is None else f" version {version} of"
            raise ApiError("unknown-secret", f"there is no{which} secret {component}/{name}")
        for number in doomed:
            await self._replace((component, name, number), b"")
        return doomed

    async def reencrypt(self) -> int:
        """Encrypt with the newest key whatever is encrypted with another; return how many were.

        Raises:
            ApiError: something does not decrypt, or the key file cannot be read.
        """
        try:
            self._keys.reread()
        except KeysError as error:
            raise ApiError("bad-key", str(error)) from error
        old = [
            (component, name, version)
            for component, names in self._kept.items()
            for name, versions in names.items()
            for version, kept in versions.items()
            if kept.sealed and not self._keys.is_newest(kept.sealed)
        ]
        for key in old:
            try:
                plain = self._open(key)
            except SecretGoneError as error:
                raise ApiError("bad-key", str(error)) from error
            await self._replace(key, self._seal(key, plain))
        return len(old)

    async def _replace(self, key: _Key, sealed: bytes) -> None:
        for _ in range(_CONFLICTS_MAX):
            entry = await self._bucket.get(_key(key))
            if entry is None or entry.data is None:
                return
            kept = _decode(entry.data)
            if not kept.sealed:
                # Erased meanwhile: that must not come back.
                return
            changed = structs.replace(kept, sealed=sealed)
            try:
                await self._bucket.update(_key(key), _encode(changed), revision=entry.revision)
            except ExistsError:
                continue
            self._keep(key, changed)
            return
        raise ApiError("unavailable", f"{_name(key)} is changed by too many at once")

    def _versions(self, component: str, name: str) -> Mapping[int, _Kept]:
        return self._kept.get(component, {}).get(name, {})

    def _seal(self, key: _Key, plain: _Plain) -> bytes:
        try:
            return self._keys.seal(_encode(plain), bound_to=_name(key))
        except KeysError as error:
            raise ApiError("no-keys", str(error)) from error

    def _open(self, key: _Key) -> _Plain:
        component, name, version = key
        kept = self._versions(component, name).get(version)
        if kept is None or not kept.sealed:
            raise SecretGoneError(
                f"{_name(key)} is gone, and the worker's log says that it was read: restore it "
                "from a backup, or revert the worker to before that"
            )
        try:
            return _decode_plain(self._keys.open(kept.sealed, bound_to=_name(key)))
        except MissingKeyError as error:
            raise SecretKeyError(str(error)) from error
        except (KeysError, msgspec.DecodeError) as error:
            raise SecretGoneError(str(error)) from error

    def _keep(self, key: _Key, kept: _Kept) -> None:
        component, name, version = key
        self._kept.setdefault(component, {}).setdefault(name, {})[version] = kept

    def _on_entry(self, entry: BucketEntry) -> None:
        component, _, rest = entry.key.partition("/")
        name, _, version = rest.rpartition("/")
        if entry.data is not None and version.isdecimal():
            self._keep((component, name, int(version)), _decode(entry.data))


def _key(key: _Key) -> str:
    component, name, version = key
    return f"{component}/{name}/{version}"


def _name(key: _Key) -> str:
    component, name, version = key
    return f"version {version} of the secret {component}/{name}"


def _digest(plain: _Plain) -> str:
    return urlsafe_b64encode(sha256(plain.salt + plain.value).digest()[:12]).decode()
