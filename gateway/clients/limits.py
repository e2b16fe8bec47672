"""Limits of connected clients."""

from typing import Final

__all__ = [
    "AWAY_S",
    "CLIENTS_MAX",
    "GATEWAY_TTL_S",
    "HEARTBEAT_S",
    "KEPT_AFTER_WRITE_S",
    "UNWRITTEN_MAX",
    "WRITE_TIMEOUT_S",
]

# Connected or away, in one gateway.
CLIENTS_MAX: Final = 50_000
# How long a client may be away before it is gone.
AWAY_S: Final = 60.0
# What was written stays so long for a client that comes back without having got it.
KEPT_AFTER_WRITE_S: Final = 60.0
# Messages that wait for a client that is away or reads slowly; with more it is gone.
UNWRITTEN_MAX: Final = 10_000
# A client whose connection takes nothing for so long is away.
WRITE_TIMEOUT_S: Final = 30.0
# A gateway says that it lives so often, and is believed so long.
HEARTBEAT_S: Final = 3.0
GATEWAY_TTL_S: Final = 12.0
