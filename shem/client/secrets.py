"""Secrets of components."""

from base64 import b64encode
from typing import Literal, final

import msgspec
from msgspec import Struct, field

from shem.client.requests import Requests
from shem.records import Secret

__all__ = ["Reencrypted", "Secrets"]


class _Set(Struct):
    version: int


class Reencrypted(Struct, frozen=True):
    """How many versions were encrypted anew, and by which key all are now."""

    count: int = field(name="reencrypted")
    key: str = ""


@final
class Secrets:
    """The secrets of the system this client is connected to; none is ever told."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def set(self, component: str, name: str, value: str) -> int:
        """Make a new version of a secret; return its number.

        Raises:
            RefusedError: of kind `unknown-component`, `bad-request`, `no-keys`, `too-large`,
                `too-many`.
        """
        body = {
            "component": component,
            "name": name,
            "value": b64encode(value.encode()).decode(),
        }
        answer = await self._requests.ask("secret.set", body)
        return msgspec.convert(answer, _Set).version

    async def all(self, component: str | None = None) -> list[Secret]:
        """Return the secrets of a component, or of all, without their values."""
        answer = await self._requests.ask("secret.list", {"component": component})
        return msgspec.convert(answer, dict[Literal["secrets"], list[Secret]])["secrets"]

    async def delete(self, component: str, name: str, *, version: int | None = None) -> list[int]:
        """Erase a version, or all; workers whose logs name one cannot be replayed any more.

        Raises:
            RefusedError: of kind `unknown-secret`.
        """
        body = {"component": component, "name": name, "version": version}
        answer = await self._requests.ask("secret.delete", body)
        return msgspec.convert(answer, dict[Literal["erased"], list[int]])["erased"]

    async def reencrypt(self) -> Reencrypted:
        """Encrypt everything with the newest key of the executors; return how many were not.

        Raises:
            RefusedError: of kind `bad-key`, `no-keys`.
        """
        return msgspec.convert(await self._requests.ask("secret.reencrypt", {}), Reencrypted)
