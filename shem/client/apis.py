"""Defining and deploying HTTP APIs."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, final

import msgspec

from shem.client.requests import Requests
from shem.records import Api, Deployed

__all__ = ["Apis"]

# Compiling the programs may load components that were never loaded before.
DEPLOY_TIMEOUT_S: Final = 300.0


@final
class Apis:
    """The HTTP APIs of the system this client is connected to."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def define(self, definition: Mapping[str, object], *, replace: bool = False) -> Api:
        """Store a version of an API; its programs must compile against the components there are.

        With `replace` also in place of a published one; where that is served, it goes on to be
        until it is deployed again.

        Raises:
            RefusedError: of kind `bad-api`, `api-broken` or `api-conflict`, with all reasons.
        """
        body: dict[str, object] = {"definition": definition}
        if replace:
            body["replace"] = True
        answer = await self._requests.ask("api.define", body, timeout_s=DEPLOY_TIMEOUT_S)
        return msgspec.convert(answer, Api)

    async def all(self) -> list[Api]:
        """Return all versions of all APIs."""
        answer = await self._requests.ask("api.list", {})
        return msgspec.convert(answer, dict[Literal["definitions"], list[Api]])["definitions"]

    async def get(self, id_: str, version: str) -> Api:
        """Return a version.

        Raises:
            RefusedError: of kind `unknown-api`.
        """
        answer = await self._requests.ask("api.get", {"id": id_, "version": version})
        return msgspec.convert(answer, Api)

    async def remove(self, id_: str, version: str) -> None:
        """Remove a version that is deployed nowhere.

        Raises:
            RefusedError: of kind `unknown-api` or `api-conflict`.
        """
        await self._requests.ask("api.remove", {"id": id_, "version": version})

    async def deploy(
        self, apis: Sequence[tuple[str, str]], *, host: str = "*", replace: bool = False
    ) -> Deployed:
        """Serve versions at a host, besides what is there or instead of it, on all gateways.

        Raises:
            RefusedError: of kind `unknown-api`, `api-broken` or `api-conflict`, with all reasons.
        """
        body = {
            "apis": [{"id": id_, "version": version} for id_, version in apis],
            "host": host,
            "replace": replace,
        }
        answer = await self._requests.ask("api.deploy", body, timeout_s=DEPLOY_TIMEOUT_S)
        return msgspec.convert(answer, Deployed)

    async def undeploy(self, *, host: str = "*", id_: str | None = None) -> None:
        """Serve an API no longer at a host, or nothing there any more.

        Raises:
            RefusedError: of kind `unknown-api`.
        """
        await self._requests.ask("api.undeploy", {"host": host, "id": id_})

    async def openapi(self, id_: str, version: str, *, server: str = "/") -> dict[str, object]:
        """Return the OpenAPI document of a version, against the components there are now.

        Raises:
            RefusedError: of kind `unknown-api` or `api-broken`.
        """
        body = {"id": id_, "version": version, "server": server}
        answer = await self._requests.ask("api.openapi", body, timeout_s=DEPLOY_TIMEOUT_S)
        return msgspec.convert(answer, dict[str, object])

    async def define_scheme(self, scheme: Mapping[str, object]) -> dict[str, object]:
        """Store a security scheme; return it without its secrets.

        Raises:
            RefusedError: of kind `bad-api`, with all reasons.
        """
        answer = await self._requests.ask("security.define", {"scheme": scheme})
        return msgspec.convert(answer, dict[str, object])

    async def schemes(self) -> list[dict[str, object]]:
        """Return all security schemes without their secrets."""
        answer = await self._requests.ask("security.list", {})
        return msgspec.convert(answer, dict[Literal["schemes"], list[dict[str, object]]])["schemes"]

    async def scheme(self, name: str) -> dict[str, object]:
        """Return a security scheme without its secrets.

        Raises:
            RefusedError: of kind `unknown-scheme`.
        """
        answer = await self._requests.ask("security.get", {"name": name})
        return msgspec.convert(answer, dict[str, object])

    async def remove_scheme(self, name: str) -> None:
        """Remove a security scheme that no deployed API uses.

        Raises:
            RefusedError: of kind `unknown-scheme` or `api-conflict`.
        """
        await self._requests.ask("security.remove", {"name": name})

    async def sites(self) -> list[Deployed]:
        """Return what is deployed, by host."""
        answer = await self._requests.ask("api.sites", {})
        return msgspec.convert(answer, dict[Literal["sites"], list[Deployed]])["sites"]
