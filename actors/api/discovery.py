"""The management service as NATS knows services: found, described and counted by `$SRV` requests.

The protocol is that of NATS microservices, which `nats micro` and every NATS library speak: all
instances answer `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, the same with the service's name behind,
and with its id behind that.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias, final

import msgspec
from msgspec import Struct

from broker.ports import Request, Signals, Subscription

__all__ = ["Counts", "Discovery", "Endpoint"]

NAME: Final = "shem"
DESCRIPTION: Final = "Shem: WebAssembly components as durable workers"
_PREFIX: Final = "$SRV"
_TYPE: Final = "io.nats.micro.v1"
_Answer: TypeAlias = Mapping[str, object]
_NO_METADATA: Final[dict[str, str]] = {}


class Counts(Struct):
    """What an endpoint has done since the start. Times in nanoseconds."""

    requests: int = 0
    errors: int = 0
    last_error: str = ""
    took_ns: int = 0

    def count(self, took_ns: int, error: str | None) -> None:
        """Count one request."""
        self.requests += 1
        self.took_ns += took_ns
        if error is not None:
            self.errors += 1
            self.last_error = error


class Endpoint(Struct, frozen=True):
    """A subject with requests. `counts` is None where nobody counts."""

    name: str
    subject: str
    group: str
    counts: Counts | None = None


@final
class Discovery:
    """Answers for one instance of the service."""

    def __init__(self, signals: Signals, endpoints: Sequence[Endpoint], *, version: str) -> None:
        self._signals = signals
        self._endpoints = endpoints
        self._version = version
        self._id = secrets.token_hex(11)
        self._started = datetime.now(UTC)
        self._subscriptions: list[Subscription] = []

    async def start(self) -> None:
        """Answer from now on."""
        for verb, answer in (("PING", self._ping), ("INFO", self._info), ("STATS", self._stats)):
            for place in ("", f".{NAME}", f".{NAME}.{self._id}"):
                # A group of its own: every instance gets every request.
                subscription = await self._signals.serve(
                    f"{_PREFIX}.{verb}{place}", self._replying(answer), group=self._id
                )
                self._subscriptions.append(subscription)

    async def stop(self) -> None:
        """Answer no more."""
        for subscription in self._subscriptions:
            await subscription.close()
        self._subscriptions.clear()

    def _replying(self, answer: Callable[[], _Answer]) -> Callable[[Request], None]:
        def reply(request: Request) -> None:
            self._signals.publish(request.reply_to, msgspec.json.encode(answer()))

        return reply

    def _ping(self) -> _Answer:
        return {
            "type": f"{_TYPE}.ping_response",
            "name": NAME,
            "id": self._id,
            "version": self._version,
            "metadata": _NO_METADATA,
        }

    def _info(self) -> _Answer:
        endpoints: list[_Answer] = [
            {
                "name": each.name,
                "subject": each.subject,
                "queue_group": each.group,
                "metadata": _NO_METADATA,
            }
            for each in self._endpoints
        ]
        return {
            **self._ping(),
            "type": f"{_TYPE}.info_response",
            "description": DESCRIPTION,
            "endpoints": endpoints,
        }

    def _stats(self) -> _Answer:
        return {
            **self._ping(),
            "type": f"{_TYPE}.stats_response",
            "started": self._started.isoformat().replace("+00:00", "Z"),
            "endpoints": [_counted(each, each.counts or Counts()) for each in self._endpoints],
        }


def _counted(endpoint: Endpoint, counts: Counts) -> _Answer:
    return {
        "name": endpoint.name,
        "subject": endpoint.subject,
        "queue_group": endpoint.group,
        "num_requests": counts.requests,
        "num_errors": counts.errors,
        "last_error": counts.last_error,
        "processing_time": counts.took_ns,
        "average_processing_time": counts.took_ns // max(1, counts.requests),
    }
