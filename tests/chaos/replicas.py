"""Streams on all servers of a cluster: put there, waited for until all have all, compared."""

import asyncio
import base64
import contextlib
import json
from collections.abc import Sequence
from typing import Any, Final

import nats.errors
from nats.aio.client import Client as Connection

from tests.chaos.client import connect
from tests.chaos.logs import Message

__all__ = ["compare", "replicate", "wait_until_led", "wait_until_whole"]

_TIMEOUT_S: Final = 5.0
_LIMIT_S: Final = 60.0
_POLL_S: Final = 0.3
_LOGS: Final = "SHEM_OPLOG"
_AT_ONCE: Final = 64
_TRIES: Final = 20
_NO_LEADER: Final = 503


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


async def wait_until_led(urls: list[str]) -> None:
    """Return when JetStream answers: the servers have found each other and a leader.

    Raises:
        TimeoutError: they do not.
    """
    connection = await connect(urls)
    try:
        async with asyncio.timeout(_LIMIT_S):
            await _ask(connection, "INFO")
    finally:
        await connection.close()


async def wait_until_whole(urls: list[str], count: int) -> None:
    """Return when no replica of any stream lags behind.

    Raises:
        TimeoutError: the cluster does not get there.
    """
    connection = await connect(urls)
    try:
        async with asyncio.timeout(_LIMIT_S):
            for name in (await _ask(connection, "STREAM.NAMES"))["streams"]:
                await _until_whole(connection, name, count)
    finally:
        await connection.close()


async def compare(
    urls: list[str], names: Sequence[str], messages: Sequence[Message]
) -> dict[str, list[str]]:
    """Return what each server has otherwise than `messages` say, as texts.

    Each server becomes the leader of the stream in its turn, and is asked for every message.
    """
    found: dict[str, list[str]] = {}
    connection = await connect(urls)
    try:
        for name in names:
            await _lead(connection, name)
            gate = asyncio.Semaphore(_AT_ONCE)
            told = await asyncio.gather(*(_differs(connection, gate, each) for each in messages))
            found[name] = [text for text in told if text]
    finally:
        await connection.close()
    return found


async def _lead(connection: Connection, name: str) -> None:
    for _ in range(_TRIES):
        cluster = (await _ask(connection, f"STREAM.INFO.{_LOGS}")).get("cluster", {})
        if cluster.get("leader") == name:
            return
        wanted = json.dumps({"placement": {"preferred": name}}).encode()
        with contextlib.suppress(nats.errors.Error):
            await connection.request(
                f"$JS.API.STREAM.LEADER.STEPDOWN.{_LOGS}", wanted, timeout=_TIMEOUT_S
            )
        await asyncio.sleep(_POLL_S)
    raise TimeoutError(f"{name} does not become the leader of {_LOGS}")


async def _differs(connection: Connection, gate: asyncio.Semaphore, message: Message) -> str:
    """Say what is other about a message as the leader has it; nothing if nothing is."""
    request = json.dumps({"seq": message.sequence}).encode()
    answer: dict[str, Any] = {}
    for _ in range(_TRIES):
        async with gate:
            try:
                reply = await connection.request(
                    f"$JS.API.STREAM.MSG.GET.{_LOGS}", request, timeout=_TIMEOUT_S
                )
            except nats.errors.Error:
                continue
        answer = json.loads(reply.data)
        if answer.get("error", {}).get("code") != _NO_LEADER:
            break
        await asyncio.sleep(_POLL_S)
    stored = answer.get("message")
    if stored is None:
        return f"sequence {message.sequence} of {message.subject}: {answer.get('error')}"
    if base64.b64decode(stored.get("data", "")) != message.data:
        return f"sequence {message.sequence} of {message.subject} holds something else"
    return ""


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
