"""How far the index has come: for each partition the sequence of its stream up to which it has all.

One key for all, moved by compare-and-set. A partition without a mark is not in the index yet.
"""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from broker.errors import ExistsError
from broker.ports import Bucket

__all__ = ["forget_marks", "move_marks", "read_marks"]

KEY: Final = "marks"
CONFLICTS_MAX: Final = 20

_decode = msgspec.json.Decoder(dict[int, int]).decode


async def read_marks(bucket: Bucket) -> Mapping[int, int]:
    """Return the mark of each partition that has one."""
    marks, _ = await _read(bucket)
    return marks


async def move_marks(bucket: Bucket, wanted: Mapping[int, int]) -> None:
    """Move the marks of some partitions forward to the given sequences.

    Gives up silently if too many others move theirs at the same time: the next move says it all.
    """
    for _ in range(CONFLICTS_MAX):
        marks, revision = await _read(bucket)
        moved = {
            number: sequence
            for number, sequence in wanted.items()
            if marks.get(number, -1) < sequence
        }
        if not moved:
            return
        data = msgspec.json.encode({**marks, **moved})
        try:
            await bucket.update(KEY, data, revision=revision)
        except ExistsError:
            continue
        return


async def forget_marks(bucket: Bucket, partitions: Collection[int]) -> None:
    """Forget how far some partitions were read: they are read again from their beginning."""
    for _ in range(CONFLICTS_MAX):
        marks, revision = await _read(bucket)
        kept = {number: at for number, at in marks.items() if number not in partitions}
        if kept == marks:
            return
        try:
            await bucket.update(KEY, msgspec.json.encode(kept), revision=revision)
        except ExistsError:
            continue
        return


async def _read(bucket: Bucket) -> tuple[dict[int, int], int]:
    entry = await bucket.get(KEY)
    if entry is None or entry.data is None:
        return {}, 0
    try:
        return _decode(entry.data), entry.revision
    except msgspec.DecodeError:
        return {}, entry.revision
