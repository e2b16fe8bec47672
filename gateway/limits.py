"""Limits of the gateway. Beyond one of them a definition or a request is refused."""

from typing import Final

__all__ = [
    "BODY_BYTES_MAX",
    "DEFINITION_BYTES_MAX",
    "HEADER_BYTES_MAX",
    "KEY_CHARACTERS_MAX",
    "PATH_SEGMENTS_MAX",
    "REQUEST_TIMEOUT_S",
    "ROUTES_MAX",
]

# Routes of one definition, and of one site.
ROUTES_MAX: Final = 1_000
DEFINITION_BYTES_MAX: Final = 1024 * 1024
PATH_SEGMENTS_MAX: Final = 64

# A request's body, in bytes; it is held in memory while it is read.
BODY_BYTES_MAX: Final = 8 * 1024 * 1024
# The request line with all headers.
HEADER_BYTES_MAX: Final = 64 * 1024
KEY_CHARACTERS_MAX: Final = 200

# One call of a worker; it stays durable when that is over.
REQUEST_TIMEOUT_S: Final = 60.0
