"""The recorded entries about what a worker is from then on, for `test_oplog.py`."""

from msgspec import Raw

from oplog.entries import (
    ChangePersistenceLevel,
    ChangeRetryPolicy,
    Entry,
    FailedUpdate,
    PendingUpdate,
    RetryRule,
    SuccessfulUpdate,
    WorkerRetryPolicy,
)

T = 1_764_000_000_000

CHANGES: dict[str, list[list[Entry]]] = {
    "change-retry-policy": [
        [
            ChangeRetryPolicy(
                at_ms=T,
                policy=RetryRule(
                    max_attempts=5,
                    min_delay_ns=1_000_000,
                    max_delay_ns=2_000_000_000,
                    multiplier=1.5,
                    max_jitter_factor=0.1,
                ),
            )
        ],
        [
            ChangeRetryPolicy(
                policy=RetryRule(max_attempts=1, min_delay_ns=0, max_delay_ns=0, multiplier=2.0)
            )
        ],
    ],
    "worker-retry-policy": [
        [
            WorkerRetryPolicy(
                at_ms=T,
                text="attempts=5,max=1m",
                policy=RetryRule(
                    max_attempts=5,
                    min_delay_ns=100_000_000,
                    max_delay_ns=60_000_000_000,
                    multiplier=3.0,
                    max_jitter_factor=0.15,
                ),
            )
        ],
        [WorkerRetryPolicy(text="")],
    ],
    "change-persistence-level": [
        [
            ChangePersistenceLevel(at_ms=T, level=level)
            for level in ("persist-nothing", "persist-remote-side-effects", "smart")
        ]
    ],
    "update": [
        [PendingUpdate(at_ms=T, target_version=2), SuccessfulUpdate(at_ms=T, target_version=2)],
        [
            PendingUpdate(
                at_ms=T, target_version=3, mode="snapshot-based", snapshot=Raw(b'"AAEC"')
            ),
            FailedUpdate(at_ms=T, target_version=3, details="load: no such field"),
        ],
        [SuccessfulUpdate(target_version=0, component_size=17), FailedUpdate(target_version=1)],
    ],
}
