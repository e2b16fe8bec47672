"""Bounds of what guests store outside."""

from typing import Final

__all__ = [
    "BATCH_KEYS_MAX",
    "BUCKET_NAME_BYTES_MAX",
    "CONFLICTS_MAX",
    "KEYS_PER_PAGE",
    "KEY_BYTES_MAX",
    "OBJECT_BYTES_MAX",
    "OBJECT_NAME_BYTES_MAX",
    "VALUE_BYTES_MAX",
]

BUCKET_NAME_BYTES_MAX: Final = 100
KEY_BYTES_MAX: Final = 512
# What one message of the broker carries in its default configuration, with room for headers.
VALUE_BYTES_MAX: Final = 1_000_000
BATCH_KEYS_MAX: Final = 10_000
KEYS_PER_PAGE: Final = 1_000
# How often an increment begins again because others wrote the key in between.
CONFLICTS_MAX: Final = 100

OBJECT_NAME_BYTES_MAX: Final = 1024
# An object is kept in memory while it is written or read.
OBJECT_BYTES_MAX: Final = 64 << 20
