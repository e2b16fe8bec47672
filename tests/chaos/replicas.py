"""Puts every stream on all servers of a cluster, and waits until all have all of it."""

import asyncio
import json
from typing import Any, Final

import nats.errors
from nats.aio.client import Client as Connection

from tests.chaos.client import connect

__all__ = ["replicate"]

_TIMEOUT_S: Final = 5.0
_LIMIT_S: Final = 60.0
_POLL_S: Final = 0.3


async def replicate(urls: list[str], count: int) -> None:
    """Give every stream `count` replicas; return when none lags behind.

    Raises:
        TimeoutError: the cluster does not get there.
    """
    connection = await connect(urls)
    try:
        async with asyncio.timeout(_LIMIT_S):
            for name in (await _ask(connection, "STREAM.NAMES"))["streams"]:
                config = (await _ask(connection, f"STREAM.INFO.{name}"))["config"]
                config["num_replicas"] = count
                await _ask(connection, f"STREAM.UPDATE.{name}", config)
                await _until_whole(connection, name, count)
    finally:
        await connection.close()


async def _until_whole(connection: Connection, name: str, count: int) -> None:
    # The server tells nobody when a follower has caught up.
    while not _is_whole(await _ask(connection, f"STREAM.INFO.{name}"), count):  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)


def _is_whole(info: dict[str, Any], count: int) -> bool:
    cluster = info.get("cluster", {})
    followers = cluster.get("replicas", [])
    current = all(each["current"] for each in followers)
    return bool(cluster.get("leader")) and len(followers) == count - 1 and current


async def _ask(
    connection: Connection, what: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Ask JetStream's management interface until it answers without an error."""
    data = json.dumps(body).encode() if body else b""
    while True:
        try:
            reply = await connection.request(f"$JS.API.{what}", data, timeout=_TIMEOUT_S)
        except nats.errors.Error:
            await asyncio.sleep(_POLL_S)
            continue
        answer: dict[str, Any] = json.loads(reply.data)
        if "error" not in answer:
            return answer
        await asyncio.sleep(_POLL_S)
