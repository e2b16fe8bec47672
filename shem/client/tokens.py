"""API tokens: who may use the management API of gateways."""

from typing import Literal, final

import msgspec
from msgspec import Struct

from shem.client.requests import Requests
from shem.records import Token

__all__ = ["CreatedToken", "Tokens"]


class CreatedToken(Struct, frozen=True):
    """A token with its secret, which is told this once."""

    token: Token
    secret: str


@final
class Tokens:
    """The API tokens of the system this client is connected to."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def create(
        self,
        name: str,
        role: Literal["viewer", "operator", "admin"],
        *,
        expires_at_ms: int | None = None,
    ) -> CreatedToken:
        """Make a token; asked again after a time-out it makes another one."""
        body = {"name": name, "role": role, "expires-at-ms": expires_at_ms}
        return msgspec.convert(await self._requests.ask("token.create", body), CreatedToken)

    async def all(self) -> list[Token]:
        """Return all tokens, by id."""
        answer = await self._requests.ask("token.list", {})
        return msgspec.convert(answer, dict[Literal["tokens"], list[Token]])["tokens"]

    async def revoke(self, id_: str) -> None:
        """End a token, on all gateways at once.

        Raises:
            RefusedError: of kind `unknown-token`.
        """
        await self._requests.ask("token.revoke", {"id": id_})
