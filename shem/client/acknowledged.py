"""Waiting until the broker has acknowledged something, for as long as that makes sense."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from broker.errors import BrokerError
from broker.ports import Ack
from shem.client.invocations import broker_error
from shem.errors import UnavailableError

__all__ = ["ACKNOWLEDGED_S", "acknowledged"]

ACKNOWLEDGED_S: Final = 30.0


async def acknowledged(
    publishing: Awaitable[Ack],
    what: str,
    *,
    timeout_s: float = ACKNOWLEDGED_S,
    key: str | None = None,
) -> None:
    """Wait until something is durable.

    Raises:
        UnavailableError: the broker did not acknowledge it in time; it may be durable.
        ShemError: it refuses.
    """
    try:
        async with asyncio.timeout(timeout_s):
            await publishing
    except TimeoutError as error:
        raise UnavailableError(
            f"the broker did not acknowledge {what} within {timeout_s:g} s: it does not answer, or "
            "its streams are being split, which `shem doctor` tells; try again",
            kind="unavailable",
            key=key,
        ) from error
    except BrokerError as error:
        raise broker_error(error, key=key) from error
