"""`shem.api.secret.*`: secrets of components. No answer holds a value."""

import time
from typing import Annotated, final

from msgspec import Meta, Struct

from actors.api.routes import Routes, route
from actors.components import ComponentStore, UnknownComponentError
from actors.errors import ApiError
from actors.secrets import SecretStore
from broker.ports import Request

__all__ = ["SecretApi"]

Version = Annotated[int, Meta(ge=1)]


class SetSecret(Struct, frozen=True, forbid_unknown_fields=True):
    """Make a new version; `value` is base64."""

    component: str
    name: str
    value: bytes

    def __repr__(self) -> str:
        """Tell nothing of the value, wherever it may be printed."""
        return f"SetSecret({self.component}/{self.name})"


class ListSecrets(Struct, frozen=True, forbid_unknown_fields=True):
    """All, or those of a component."""

    component: str | None = None


class DeleteSecret(Struct, frozen=True, forbid_unknown_fields=True):
    """Erase a version, or all of them."""

    component: str
    name: str
    version: Version | None = None


class Reencrypt(Struct, frozen=True, forbid_unknown_fields=True):
    """Encrypt everything with the newest key."""


@final
class SecretApi:
    """Secrets are set, listed and erased; none is told."""

    def __init__(self, secrets: SecretStore, components: ComponentStore) -> None:
        self._secrets = secrets
        self._components = components

    def routes(self) -> Routes:
        """Return the operations of this noun."""
        return {
            "secret.set": route(SetSecret, self._set),
            "secret.list": route(ListSecrets, self._list),
            "secret.delete": route(DeleteSecret, self._delete),
            "secret.reencrypt": route(Reencrypt, self._reencrypt),
        }

    async def _set(self, body: SetSecret, _request: Request) -> object:
        try:
            await self._components.get(body.component)
        except UnknownComponentError as error:
            raise ApiError("unknown-component", str(error)) from error
        now_ms = time.time_ns() // 1_000_000
        version = await self._secrets.set(body.component, body.name, body.value, now_ms=now_ms)
        return {"component": body.component, "name": body.name, "version": version}

    async def _list(self, body: ListSecrets, _request: Request) -> object:
        return {"secrets": self._secrets.all(body.component)}

    async def _delete(self, body: DeleteSecret, _request: Request) -> object:
        return {"erased": await self._secrets.erase(body.component, body.name, body.version)}

    async def _reencrypt(self, _body: Reencrypt, _request: Request) -> object:
        count = await self._secrets.reencrypt()
        return {"reencrypted": count, "key": self._secrets.keys.first}
