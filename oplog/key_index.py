"""Where the outcomes of idempotency keys lie, packed so that a million can be loaded at once.

An index is some *segments*, each a sorted run of records of 32 bytes: 16 bytes of the key's digest,
the entry's index, the sequence of its commit. Nothing is decoded to load it: looking up a key is a
binary search in each segment. What is new becomes a segment of its own, and a segment that is no
longer than the one after it is joined with it, so that there are few, however many keys there are,
and adding costs little, however many there were before.

Keys are told apart by 128 bits of their BLAKE2b digest.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, final

from msgspec import Struct

__all__ = ["EMPTY", "KeyIndex", "OutcomeRef"]

RECORD_BYTES: Final = 32
_DIGEST_BYTES: Final = 16
_NUMBER_BYTES: Final = 8


class OutcomeRef(Struct, frozen=True, gc=False):
    """Where an outcome stands: its entry, and the stream sequence of the commit that holds it."""

    index: int
    log_sequence: int


@final
class KeyIndex:
    """Immutable."""

    def __init__(self, segments: tuple[bytes, ...] = ()) -> None:
        """Take segments over.

        Raises:
            ValueError: one is cut off.
        """
        for segment in segments:
            if len(segment) % RECORD_BYTES:
                raise ValueError(f"a segment of {len(segment)} bytes is cut off")
        self.segments = segments
        self.bytes = sum(map(len, segments))

    def __len__(self) -> int:
        return self.bytes // RECORD_BYTES

    def find(self, key: str) -> OutcomeRef | None:
        """Return where the outcome of `key` lies, if it is here."""
        if not self.segments:
            return None
        digest = _digest(key)
        for segment in self.segments:
            found = _search(segment, digest)
            if found is not None:
                return found
        return None

    def adding(self, outcomes: Mapping[str, OutcomeRef]) -> "KeyIndex":
        """Return an index with more keys, which must not be here yet."""
        if not outcomes:
            return self
        new = sorted([_record(key, ref) for key, ref in outcomes.items()])
        segments = list(self.segments)
        while segments and len(segments[-1]) <= len(new) * RECORD_BYTES:
            # Two sorted runs behind each other are what this sort merges in one pass.
            new = sorted(_records(segments.pop()) + new)
        return KeyIndex((*segments, b"".join(new)))


EMPTY: Final = KeyIndex()


def _digest(key: str) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=_DIGEST_BYTES).digest()


def _record(key: str, ref: OutcomeRef) -> bytes:
    index = ref.index.to_bytes(_NUMBER_BYTES, "big")
    return _digest(key) + index + ref.log_sequence.to_bytes(_NUMBER_BYTES, "big")


def _records(segment: bytes) -> list[bytes]:
    return [segment[at : at + RECORD_BYTES] for at in range(0, len(segment), RECORD_BYTES)]


def _search(segment: bytes, digest: bytes) -> OutcomeRef | None:
    low, high = 0, len(segment) // RECORD_BYTES
    while low < high:
        middle = (low + high) // 2
        start = middle * RECORD_BYTES
        if segment[start : start + _DIGEST_BYTES] < digest:
            low = middle + 1
        else:
            high = middle
    start = low * RECORD_BYTES
    if segment[start : start + _DIGEST_BYTES] != digest:
        return None
    at = start + _DIGEST_BYTES
    return OutcomeRef(
        int.from_bytes(segment[at : at + _NUMBER_BYTES], "big"),
        int.from_bytes(segment[at + _NUMBER_BYTES : start + RECORD_BYTES], "big"),
    )
