"""Which executor owns which partition: a pure function of who is alive.

Rendezvous hashing: every executor computes the same owner without talking, and a change of one
member moves only that member's share.
"""

from collections.abc import Collection
from hashlib import blake2b

__all__ = ["owned_partitions", "owner_of"]


def owner_of(partition: int, members: Collection[str]) -> str | None:
    """Return the member with the highest score for `partition`; None without members."""
    return max(members, key=lambda member: _score(member, partition), default=None)


def owned_partitions(me: str, members: Collection[str], partitions: int) -> frozenset[int]:
    """Return the partitions that `me` owns among `members`."""
    return frozenset(p for p in range(partitions) if owner_of(p, members) == me)


def _score(member: str, partition: int) -> bytes:
    return blake2b(f"{member}/{partition}".encode(), digest_size=8).digest()
