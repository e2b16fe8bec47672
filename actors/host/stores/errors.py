"""Why a store refuses what a guest asks for.

StoreError    an answer to the guest, the same for another attempt: terminal
"""

from actors.host.stores.limits import (
    BATCH_KEYS_MAX,
    BUCKET_NAME_BYTES_MAX,
    KEY_BYTES_MAX,
    OBJECT_BYTES_MAX,
    OBJECT_NAME_BYTES_MAX,
    VALUE_BYTES_MAX,
)

__all__ = [
    "StoreError",
    "check_batch",
    "check_bucket_name",
    "check_key",
    "check_object_name",
    "check_object_size",
    "check_value",
]


class StoreError(Exception):
    """Terminal for this call; the message is for the guest."""


def check_bucket_name(name: str) -> None:
    """Refuse what cannot name a bucket or container."""
    _check_length("the name of a bucket or container", name, BUCKET_NAME_BYTES_MAX)


def check_key(key: str) -> None:
    """Refuse what cannot be a key."""
    _check_length("a key", key, KEY_BYTES_MAX)


def check_object_name(name: str) -> None:
    """Refuse what cannot name an object."""
    _check_length("the name of an object", name, OBJECT_NAME_BYTES_MAX)


def check_value(value: bytes) -> None:
    """Refuse what no message can carry."""
    if len(value) > VALUE_BYTES_MAX:
        raise StoreError(f"a value may have {VALUE_BYTES_MAX} bytes, this one has {len(value)}")


def check_object_size(size: int) -> None:
    """Refuse what would fill the memory."""
    if size > OBJECT_BYTES_MAX:
        raise StoreError(f"an object may have {OBJECT_BYTES_MAX} bytes, this one has {size}")


def check_batch(count: int) -> None:
    """Refuse more keys than one call may name."""
    if count > BATCH_KEYS_MAX:
        raise StoreError(f"a call may name {BATCH_KEYS_MAX} keys, this one names {count}")


def _check_length(what: str, text: str, limit: int) -> None:
    size = len(text.encode())
    if not 1 <= size <= limit:
        raise StoreError(f"{what} may have 1 to {limit} bytes, this one has {size}")
