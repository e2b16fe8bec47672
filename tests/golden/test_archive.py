"""Recorded chunks of archived logs: what was ever moved out of a stream is read for ever.

`archive/v1/` holds objects as some release wrote them, named as in the store with `+` for `/`; they
are never changed or removed, and `SHA256SUMS` sees to that. `python tests/golden/test_archive.py`
writes what is missing.
"""

import asyncio
import hashlib
from pathlib import Path
from typing import Final

from msgspec import Raw

from broker import subjects
from broker.memory import MemoryCluster
from broker.ports import Broker
from oplog.archive import archive
from oplog.codec import encode
from oplog.commit import GENESIS_HASH, Marks
from oplog.entries import Create, Entry, ExportedFunctionCompleted, ExportedFunctionInvoked, Log
from oplog.key_index import OutcomeRef
from oplog.outcome import read_outcome
from oplog.reader import load

ROOT = Path(__file__).parent / "archive"
SUMS = ROOT / "SHA256SUMS"
T: Final = 1_764_000_000_000

COMMITS: Final[tuple[tuple[Entry, ...], ...]] = (
    (
        Create(at_ms=T, incarnation="77aa", component="c", worker="w/1", component_version=2),
        ExportedFunctionInvoked(
            at_ms=T + 1, function="f", params=Raw(b"[1]"), idempotency_key="k1", sequence=1
        ),
    ),
    (
        Log(at_ms=T + 2, level="stdout", message="archived " * 1_000),
        ExportedFunctionCompleted(
            at_ms=T + 3, idempotency_key="k1", function="f", result=Raw(b"41")
        ),
    ),
    (
        ExportedFunctionInvoked(
            at_ms=T + 4, function="f", params=Raw(b"[2]"), idempotency_key="k2", sequence=2
        ),
    ),
)


async def _written(broker: Broker) -> str:
    """Write the log; return its subject."""
    subject = subjects.log("c", "w/1", broker.partitions)
    first, previous, sequence = 1, GENESIS_HASH, 0
    for entries in COMMITS:
        commit = encode(first, entries, Marks(), previous)
        sequence = await broker.journal.append(
            subject,
            commit.data,
            message_id=f"golden-{first}",
            expected_sequence=sequence,
            headers=commit.headers,
        )
        first, previous = first + len(entries), commit.hash
    return subject


def test_a_log_whose_beginning_is_archived_reads_as_a_whole() -> None:
    async def main() -> None:
        broker = MemoryCluster().connect()
        subject = await _written(broker)
        await broker.journal.purge(subject, up_to_sequence=2)
        for file in sorted((ROOT / "v1").iterdir()):
            await broker.blobs.put(file.name.replace("+", "/"), file.read_bytes())
        log = await load(broker.journal, broker.blobs, subject)
        found = [entry for _, entry, _ in log.entries()]
        assert found == [entry for entries in COMMITS for entry in entries]
        outcome = await read_outcome(broker.journal, broker.blobs, subject, OutcomeRef(4, 2))
        assert outcome == COMMITS[1][1]

    asyncio.run(main())


def test_recorded_chunks_are_never_changed() -> None:
    sums = dict(line.split("  ")[::-1] for line in SUMS.read_text().splitlines())
    files = {f"v1/{file.name}": file for file in (ROOT / "v1").iterdir()}
    assert sums.keys() == files.keys()
    for name, file in files.items():
        assert hashlib.sha256(file.read_bytes()).hexdigest() == sums[name], name


async def _record() -> None:
    broker = MemoryCluster().connect()
    subject = await _written(broker)
    await archive(broker.journal, broker.blobs, subject, before=3)
    for name in await broker.blobs.names("archive/"):
        file = ROOT / "v1" / name.replace("/", "+")
        if not file.exists():
            file.write_bytes(await broker.blobs.get(name))
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  v1/{file.name}\n"
        for file in sorted((ROOT / "v1").iterdir())
    ]
    SUMS.write_text("".join(lines))


if __name__ == "__main__":
    asyncio.run(_record())
