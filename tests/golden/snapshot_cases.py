"""The recorded entries about snapshots, for `test_oplog.py`."""

from oplog.entries import Entry, Purged, Raw, Snapshot, SnapshotFailed

__all__ = ["PURGED", "SNAPSHOT"]

_T = 1_764_000_000_000
SNAPSHOT: list[list[Entry]] = [
    [
        Snapshot(
            at_ms=_T,
            index=41,
            blob="snapshot/b7e1c0de/41-0011223344556677",
            size=144_000,
            sha256="0011223344556677889900112233445566778899001122334455667788990011",
            took_us=5_210,
        )
    ],
    [
        SnapshotFailed(
            at_ms=_T, operation="save", reason="the worker holds a Event: it waits for something"
        ),
        SnapshotFailed(operation="load", reason="wrong checksum"),
    ],
]
PURGED: list[list[Entry]] = [
    [
        Purged(
            at_ms=_T,
            index=41,
            log_sequence=1_207,
            blob="snapshot/b7e1c0de/41-0011223344556677",
            base=Raw(b'{"commit":{"index":41,"log-sequence":1207,"hash":"00"}}'),
        )
    ]
]
