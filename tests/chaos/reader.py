"""Reads every log from the broker, with nothing but a NATS client."""

import asyncio
from typing import Final

import nats.errors
import nats.js.errors
from nats.aio.client import Client as Connection
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from tests.chaos.logs import Message

__all__ = ["leader", "messages"]

_STREAM: Final = "SHEM_OPLOG"
# Everything that runs in an attack: workers of two components, told apart by their names.
_FILTER: Final = "shem.oplog.*.*.*.log"
_BATCH: Final = 500
_FETCH_TIMEOUT_S: Final = 5.0
_TRIES: Final = 10


async def messages(connection: Connection, filter_subject: str = _FILTER) -> list[Message]:
    """Return all commits of all workers, or of those named, in stream order."""
    stream = connection.jetstream()
    config = ConsumerConfig(
        ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.ALL, filter_subject=filter_subject
    )
    subscription = await stream.pull_subscribe(filter_subject, stream=_STREAM, config=config)
    found: list[Message] = []
    failures = 0
    while True:
        try:
            batch = await subscription.fetch(_BATCH, timeout=_FETCH_TIMEOUT_S)
        except nats.errors.TimeoutError:
            failures += 1
            if (await subscription.consumer_info()).num_pending == 0 or failures > _TRIES:
                break
            continue
        for message in batch:
            sequence = message.metadata.sequence.stream
            headers = dict(message.headers or {})
            found.append(Message(message.subject, sequence, headers, message.data))
        if batch and batch[-1].metadata.num_pending == 0:
            break
    await subscription.unsubscribe()
    return found


async def leader(connection: Connection) -> str | None:
    """Return the name of the server that leads the stream, None if there is none just now."""
    try:
        async with asyncio.timeout(2):
            info = await connection.jetstream().stream_info(_STREAM)
    except (TimeoutError, nats.errors.Error, nats.js.errors.Error):
        return None
    return info.cluster.leader if info.cluster else None
