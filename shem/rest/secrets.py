"""Secrets of components over REST: set, listed, erased; none is ever told."""

from typing import Annotated, final

from msgspec import Meta, Struct

from gateway.rest.operation import Call, No, Operation, Reply, Role, operations_of, rest
from shem.client import Client
from shem.records import Secret
from shem.rest.params import ComponentPath, Name

__all__ = ["operations"]

Version = Annotated[int, Meta(ge=1, le=1 << 31)]


class Secrets(Struct, frozen=True):
    """Secrets without their values."""

    secrets: list[Secret]


class SecretPath(Struct, frozen=True, forbid_unknown_fields=True):
    """A secret."""

    component: Name
    name: Annotated[str, Meta(min_length=1, max_length=100)]


class NewSecret(Struct, frozen=True, forbid_unknown_fields=True):
    """What a secret says from now on."""

    value: Annotated[str, Meta(max_length=65_536)]

    def __repr__(self) -> str:
        """Tell nothing of the value, wherever it may be printed."""
        return "NewSecret()"


class SetSecret(Struct, frozen=True):
    """The version that was made."""

    version: int


class Which(Struct, frozen=True, forbid_unknown_fields=True):
    """One version, or all."""

    version: Version | None = None


class Erased(Struct, frozen=True):
    """The versions that were erased."""

    erased: list[int]


@final
class _Secrets:
    def __init__(self, client: Client) -> None:
        self._client = client

    @rest("secret.list", "GET", "/components/{component}/secrets", Role.OPERATOR)
    async def list(self, call: Call[ComponentPath, No, No]) -> Secrets:
        """List the secrets of a component, without their values."""
        return Secrets(await self._client.secrets.all(call.path.component))

    @rest(
        "secret.set",
        "POST",
        "/components/{component}/secrets/{name}",
        Role.ADMIN,
        status=201,
        answer=SetSecret,
    )
    async def set(self, call: Call[SecretPath, No, NewSecret]) -> Reply:
        """Set a secret, or a new version of it; workers read it from their next read on."""
        path = call.path
        version = await self._client.secrets.set(path.component, path.name, call.body.value)
        return Reply(value=SetSecret(version), status=201)

    @rest("secret.delete", "DELETE", "/components/{component}/secrets/{name}", Role.ADMIN)
    async def delete(self, call: Call[SecretPath, Which, No]) -> Erased:
        """Erase a secret: workers whose logs name it cannot be replayed any more."""
        path, version = call.path, call.query.version
        erased = await self._client.secrets.delete(path.component, path.name, version=version)
        return Erased(erased)


def operations(client: Client) -> list[Operation]:
    """Return the operations of this noun."""
    return operations_of(_Secrets(client))
