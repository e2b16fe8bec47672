"""Management of security schemes, and gateways that follow it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import final

import msgspec
import structlog
from msgspec import Raw, Struct

from actors.api.routes import Routes, route
from broker.ports import Bucket, BucketEntry, Subscription
from gateway.deployments import SITES, decode_deployment
from gateway.errors import ConflictError, DefinitionError, UnknownSchemeError
from gateway.security.schemes import (
    SCHEMES,
    Scheme,
    concealed,
    decode_scheme,
    decode_stored_scheme,
    scheme_key,
)
from gateway.told import told

__all__ = ["FollowedSchemes", "SchemeManagement", "stored_schemes"]

_log = structlog.get_logger(__name__)


class DefineScheme(Struct, frozen=True, forbid_unknown_fields=True):
    """Store a scheme, or change it for all that use it."""

    scheme: Raw


class NamedScheme(Struct, frozen=True, forbid_unknown_fields=True):
    """A scheme."""

    name: str


class AllSchemes(Struct, frozen=True, forbid_unknown_fields=True):
    """No arguments."""


async def stored_schemes(bucket: Bucket) -> dict[str, Scheme]:
    """Return all schemes by name."""
    found: dict[str, Scheme] = {}
    for key in await bucket.keys(SCHEMES):
        entry = await bucket.get(key)
        if entry is not None and entry.data is not None:
            scheme = decode_stored_scheme(entry.data)
            found[scheme.name] = scheme
    return found


@final
class SchemeManagement:
    """Stores schemes. Nothing that it answers tells a secret."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def routes(self) -> Routes:
        """Return the operations of this noun."""
        return {
            "security.define": route(DefineScheme, told(self._define)),
            "security.get": route(NamedScheme, told(self._get)),
            "security.list": route(AllSchemes, told(self._list)),
            "security.remove": route(NamedScheme, told(self._remove)),
        }

    async def _define(self, body: DefineScheme) -> object:
        scheme = decode_scheme(bytes(body.scheme))
        await self._bucket.put(scheme_key(scheme.name), msgspec.json.encode(scheme))
        return concealed(scheme)

    async def _get(self, body: NamedScheme) -> object:
        return concealed(await self._found(body.name))

    async def _list(self, _: AllSchemes) -> object:
        found = await stored_schemes(self._bucket)
        return {"schemes": [concealed(found[name]) for name in sorted(found)]}

    async def _remove(self, body: NamedScheme) -> object:
        await self._found(body.name)
        for key in await self._bucket.keys(SITES):
            entry = await self._bucket.get(key)
            for each in (
                () if entry is None or entry.data is None else decode_deployment(entry.data).routes
            ):
                if any(wanted.scheme == body.name for wanted in each.security):
                    place = f"{each.api}: {each.method} {each.path}"
                    raise ConflictError(f"{body.name} is used by {place}; undeploy it first")
        await self._bucket.delete(scheme_key(body.name))
        return {"removed": body.name}

    async def _found(self, name: str) -> Scheme:
        entry = await self._bucket.get(scheme_key(name))
        if entry is None or entry.data is None:
            known = ", ".join(sorted(await stored_schemes(self._bucket)))
            raise UnknownSchemeError(
                f"there is no security scheme {name}; there are {known or 'none'}"
            )
        return decode_stored_scheme(entry.data)


@final
class FollowedSchemes:
    """All schemes, followed as they change."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._schemes: Mapping[str, Scheme] = MappingProxyType({})
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Follow from now on; what is stored already is known on return or shortly after."""
        self._subscription = await self._bucket.watch(self._on_entry, prefix=SCHEMES)

    async def stop(self) -> None:
        """Follow no more."""
        if self._subscription is not None:
            await self._subscription.close()

    def all(self) -> Mapping[str, Scheme]:
        """Return all schemes by name."""
        return self._schemes

    def _on_entry(self, entry: BucketEntry) -> None:
        name = entry.key.removeprefix(SCHEMES)
        others = {known: scheme for known, scheme in self._schemes.items() if known != name}
        if entry.data is None:
            self._schemes = others
            return
        try:
            self._schemes = {**others, name: decode_stored_scheme(entry.data)}
        except DefinitionError as error:
            # Another version of Shem stored it: whoever it would let in is not let in.
            self._schemes = others
            _log.error(
                "security scheme cannot be used; define it again", name=name, reason=str(error)
            )
