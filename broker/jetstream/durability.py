"""Whether the server syncs its disk before it acknowledges.

The client protocol does not tell. The monitoring endpoint does, when its URL is configured; for
the embedded server we know, since we wrote its configuration.
"""

import asyncio
from enum import StrEnum
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
import structlog
from msgspec import Struct

from broker.jetstream.options import ConnectOptions

__all__ = ["Durability", "fetch_monitor", "probe_durability", "warn_if_lazy"]

_PROBE_TIMEOUT_S: Final = 3

log = structlog.get_logger(__name__)


class Durability(StrEnum):
    """How an acknowledged message is kept."""

    ALWAYS = "always"
    LAZY = "lazy"
    UNKNOWN = "unknown"


class _JetStreamConfig(Struct, frozen=True):
    sync_interval: int = 0
    sync_always: bool = False


class _Jsz(Struct, frozen=True):
    config: _JetStreamConfig = _JetStreamConfig()


async def probe_durability(options: ConnectOptions) -> Durability:
    """Return what can be found out, `UNKNOWN` when nothing can."""
    if options.assume_durable:
        return Durability.ALWAYS
    if options.monitor_url is None:
        return Durability.UNKNOWN
    try:
        data = await asyncio.to_thread(
            fetch_monitor, f"{options.monitor_url.rstrip('/')}/jsz?config=true"
        )
        config = msgspec.json.decode(data, type=_Jsz).config
    except (URLError, OSError, ValueError, msgspec.DecodeError) as error:
        log.warning("the broker's monitoring endpoint does not answer", reason=str(error))
        return Durability.UNKNOWN
    return Durability.ALWAYS if config.sync_always else Durability.LAZY


def warn_if_lazy(durability: Durability, options: ConnectOptions) -> None:
    """Say loudly that a power failure may lose acknowledged work."""
    if durability is Durability.LAZY:
        log.warning(
            "the broker syncs its disk lazily: a power failure loses acknowledged messages of up "
            "to its sync interval; set `sync_interval: always` in its jetstream block",
            servers=list(options.servers),
        )
    elif durability is Durability.UNKNOWN:
        log.info(
            "it is unknown whether the broker syncs its disk at once; give monitor_url to check",
            servers=list(options.servers),
        )


def fetch_monitor(url: str) -> bytes:
    """Return what a monitoring endpoint answers; blocks. Raises OSError or ValueError."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"monitor_url {url!r} is no http:// or https:// URL")
    with urlopen(url, timeout=_PROBE_TIMEOUT_S) as answer:  # noqa: S310  # the scheme is checked
        data: bytes = answer.read()
        return data
