"""What the reply subject of a delivered message tells."""

from typing import Final

from msgspec import Struct

from broker.errors import InternalError

__all__ = ["AckToken", "ack_token"]

_SHORT_PARTS: Final = 9
_LONG_PARTS: Final = 11


class AckToken(Struct, frozen=True):
    """Counters of one delivery: of its message, of the stream, of the consumer, and when stored."""

    deliveries: int
    sequence: int
    order: int
    time_ns: int


def ack_token(reply: str) -> AckToken:
    """Parse `$JS.ACK.[domain.account.]stream.consumer.delivered.stream-seq.order.time.pending`."""
    parts = reply.split(".")
    if len(parts) == _SHORT_PARTS:
        counters = parts[4:8]
    elif len(parts) >= _LONG_PARTS:
        counters = parts[6:10]
    else:
        raise InternalError(f"a delivery bears no acknowledgement subject: {reply!r}")
    return AckToken(*map(int, counters))
