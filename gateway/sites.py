"""The sites that a gateway serves, as the bucket says: every change counts at once, as a whole."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import final

import structlog
from msgspec import Struct

from broker.ports import Bucket, BucketEntry, Subscription
from gateway.definitions import CorsBinding
from gateway.deployments import SITES, LiveRoute, decode_deployment
from gateway.errors import ConflictError
from gateway.management import ANY_HOST
from gateway.table import Table
from rib import ProgramFormatError

__all__ = ["Site", "Sites"]

_log = structlog.get_logger(__name__)


class Site(Struct, frozen=True):
    """The routes of a host, and which paths let other origins in."""

    host: str
    table: Table[LiveRoute]
    cors: Mapping[tuple[tuple[str, str], ...], CorsBinding]


@final
class Sites:
    """All sites, followed as they change."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._sites: Mapping[str, Site] = MappingProxyType({})
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Follow from now on; what is deployed already is known on return or shortly after."""
        self._subscription = await self._bucket.watch(self._on_entry, prefix=SITES)

    async def stop(self) -> None:
        """Follow no more."""
        if self._subscription is not None:
            await self._subscription.close()

    def find(self, host: str) -> Site | None:
        """Return the site of a `Host` header: with its port, without, or the one for all."""
        name = host.lower()
        bare = name if name.endswith("]") else name.rpartition(":")[0] or name
        for each in (name, bare, bare.removesuffix("."), ANY_HOST):
            if each in self._sites:
                return self._sites[each]
        return None

    def _on_entry(self, entry: BucketEntry) -> None:
        host = entry.key.removeprefix(SITES)
        others = {name: site for name, site in self._sites.items() if name != host}
        if entry.data is None:
            self._sites = others
            _log.info("site is gone", host=host)
            return
        try:
            site = _site(host, entry.data)
        except (ProgramFormatError, ConflictError) as error:
            # The old routes go on: they were deployed by somebody who saw them work.
            _log.error("site cannot be served; deploy it again", host=host, reason=str(error))
            return
        self._sites = {**others, host: site}
        _log.info("site is served", host=host, routes=len(site.table.entries))


def _site(host: str, data: bytes) -> Site:
    routes = [LiveRoute.of(each) for each in decode_deployment(data).routes]
    cors = {
        tuple(each.path.shape()): each.route.binding
        for each in routes
        if isinstance(each.route.binding, CorsBinding)
    }
    return Site(host, Table(routes), cors)
