"""Bounds of HTTP exchanges."""

from typing import Final

__all__ = [
    "BETWEEN_BYTES_TIMEOUT_S",
    "CONNECT_TIMEOUT_S",
    "EXCHANGES_MAX",
    "FIELDS_BYTES_MAX",
    "FIELD_BYTES",
    "FIRST_BYTE_TIMEOUT_S",
    "MESSAGE_BYTES",
    "OUTGOING_BODY_BYTES_MAX",
    "PIECE_BYTES",
    "RECEIVE_BUFFER_BYTES_MAX",
    "STORED_BODY_BYTES_MAX",
    "TARGET_BYTES_MAX",
    "WORD_BYTES_MAX",
]

# Of one worker at the same time; bounds what it buffers together with the sizes below.
EXCHANGES_MAX: Final = 100
# Names and values of one header or trailer section together.
FIELDS_BYTES_MAX: Final = 128 * 1024
# What an entry takes beside its name and value, as HTTP/2 counts it.
FIELD_BYTES: Final = 32
TARGET_BYTES_MAX: Final = 16 * 1024
# Whatever else of a message has no form that bounds it: methods, schemes, authorities.
WORD_BYTES_MAX: Final = 1024
# What a message that is not sent counts for, its headers and body apart.
MESSAGE_BYTES: Final = 20 * 1024
# A response that leaves memory while the guest writes it.
STORED_BODY_BYTES_MAX: Final = 4 << 30
# Kept until the response is complete, since a crash in between sends it again.
OUTGOING_BODY_BYTES_MAX: Final = 64 << 20
# Received and not yet read by the guest; beyond it the connection is not read.
RECEIVE_BUFFER_BYTES_MAX: Final = 1 << 20
PIECE_BYTES: Final = 64 * 1024

# Where the guest sets none.
CONNECT_TIMEOUT_S: Final = 30.0
FIRST_BYTE_TIMEOUT_S: Final = 600.0
BETWEEN_BYTES_TIMEOUT_S: Final = 600.0
