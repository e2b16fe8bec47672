"""The system over REST: its version, its executors, and the tokens of this API."""

from importlib.metadata import version as installed_version
from typing import Annotated, Literal, final

from msgspec import Meta, Struct

from gateway.rest.operation import Call, No, Operation, Reply, Role, operations_of, rest
from shem.client import Client
from shem.client.tokens import CreatedToken
from shem.records import Token
from shem.rest.params import Millis, Name

__all__ = ["operations"]


class Version(Struct, frozen=True):
    """The version of Shem that answers."""

    version: str


class Executors(Struct, frozen=True):
    """Living executors and what they say of themselves."""

    executors: list[dict[str, object]]


class Tokens(Struct, frozen=True):
    """Tokens without their secrets."""

    tokens: list[Token]


class NewToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A token to be made."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    role: Literal["viewer", "operator", "admin"]
    expires_at_ms: Millis | None = None


class TokenPath(Struct, frozen=True, forbid_unknown_fields=True):
    """A token."""

    id: Name


@final
class _System:
    def __init__(self, client: Client) -> None:
        self._client = client

    @rest("system.version", "GET", "/version", Role.VIEWER)
    async def version(self, call: Call[No, No, No]) -> Version:
        """Return the version of Shem."""
        del call
        return Version(installed_version("shem"))

    @rest("executor.list", "GET", "/executors", Role.VIEWER)
    async def executors(self, call: Call[No, No, No]) -> Executors:
        """List the living executors."""
        del call
        return Executors(await self._client.executors())

    @rest("token.list", "GET", "/tokens", Role.ADMIN)
    async def tokens(self, call: Call[No, No, No]) -> Tokens:
        """List the tokens of this API."""
        del call
        return Tokens(await self._client.tokens.all())

    @rest("token.create", "POST", "/tokens", Role.ADMIN, status=201, answer=CreatedToken)
    async def create(self, call: Call[No, No, NewToken]) -> Reply:
        """Make a token; its secret is told once."""
        body = call.body
        made = await self._client.tokens.create(
            body.name, body.role, expires_at_ms=body.expires_at_ms
        )
        return Reply(value=made, status=201)

    @rest("token.revoke", "DELETE", "/tokens/{id}", Role.ADMIN)
    async def revoke(self, call: Call[TokenPath, No, No]) -> None:
        """End a token, on all gateways at once."""
        await self._client.tokens.revoke(call.path.id)


def operations(client: Client) -> list[Operation]:
    """Return the operations of this noun."""
    return operations_of(_System(client))
