"""Limits of the gateway. Beyond one of them a definition or a request is refused."""

from typing import Final

__all__ = [
    "BODY_BYTES_MAX",
    "BODY_BYTES_PER_S_MIN",
    "BODY_BYTES_RANGE",
    "DEFINITION_BYTES_MAX",
    "HEADER_BYTES_MAX",
    "HEAD_TIMEOUT_S",
    "KEY_CHARACTERS_MAX",
    "LATER_BODY_BYTES_MAX",
    "LATER_BYTES_MAX",
    "LATER_KEPT_S",
    "LATER_RUNS_MAX",
    "LATER_WAIT_S_MAX",
    "PATH_SEGMENTS_MAX",
    "RATE_PERIOD_S_MAX",
    "RATE_REQUESTS_MAX",
    "REQUEST_TIMEOUT_S",
    "ROUTES_MAX",
    "SOCKET_MESSAGE_BYTES_MAX",
    "STREAMED_BYTES_RANGE",
    "TIMEOUT_S_MAX",
]

# Routes of one definition, and of one site.
ROUTES_MAX: Final = 1_000
DEFINITION_BYTES_MAX: Final = 1024 * 1024
PATH_SEGMENTS_MAX: Final = 64

# A request's body, in bytes; it is held in memory while it is read.
BODY_BYTES_MAX: Final = 8 * 1024 * 1024
# What a route may ask for instead. Programs hold the body, so it is no place for large files.
BODY_BYTES_RANGE: Final = (1, 64 * 1024 * 1024)
# The same for requests that a component's own handler takes: those pass through in pieces.
STREAMED_BYTES_RANGE: Final = (1, 4 << 30)
# How slowly a body may come, behind the time that every request has for it.
BODY_BYTES_PER_S_MIN: Final = 64 * 1024
# The request line with all headers.
HEADER_BYTES_MAX: Final = 64 * 1024
# How long a client may take for it.
HEAD_TIMEOUT_S: Final = 30.0
KEY_CHARACTERS_MAX: Final = 200

# One call of a worker; it stays durable when that is over.
REQUEST_TIMEOUT_S: Final = 60.0
TIMEOUT_S_MAX: Final = 3_600.0

# Requests that are answered later: at the same time in one gateway, bytes of each as it is kept,
# how long an answer can be asked for, and how long a client may wait for it in its request.
LATER_RUNS_MAX: Final = 1_000
LATER_BYTES_MAX: Final = 256 * 1024
LATER_KEPT_S: Final = 86_400
LATER_WAIT_S_MAX: Final = 60.0
# The part of a body that such a request may keep beside the pieces.
LATER_BODY_BYTES_MAX: Final = 64 * 1024

# Requests of one client, in a period of that many seconds.
RATE_REQUESTS_MAX: Final = 1_000_000
RATE_PERIOD_S_MAX: Final = 86_400.0

# One message of a websocket; an invocation has to carry it.
SOCKET_MESSAGE_BYTES_MAX: Final = 256 * 1024
