"""How fast a log is written, read and replayed, without broker and guest.

    python benchmarks/oplog_codec.py [ENTRIES]

Budget: replay takes 20,000 entries a second in total, guest included, so decoding, checking the
chain and the cursor together may take a third of the 50 µs that one entry has.
"""

import sys
import time

from msgspec import Raw

from oplog.codec import decode, encode
from oplog.commit import GENESIS_HASH, Marks
from oplog.entries import (
    Create,
    Entry,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    ImportedFunctionInvoked,
    Log,
)
from oplog.replay import Cursor

BUDGET_PER_S = 20_000
SHARE = 3
ENTRIES_PER_INVOCATION = 6


def entries(count: int) -> list[Entry]:
    """A worker that reads the clock, draws random numbers and prints a line per invocation."""
    log: list[Entry] = [
        Create(incarnation="b7e1", component="counter", worker="alice", component_version=0)
    ]
    at_ms = 1_760_000_000_000
    while len(log) < count:
        n = len(log)
        key = f"3f0c9a52-{n:08x}"
        log += [
            ExportedFunctionInvoked(
                at_ms=at_ms + n,
                function="demo:counter/api.{add}",
                params=Raw(b"[%d]" % n),
                idempotency_key=key,
                sequence=n + 1,
            ),
            ImportedFunctionInvoked(
                at_ms=at_ms + n,
                function="wasi:clocks/wall-clock.{now}",
                response=Raw(b'{"seconds":%d,"nanoseconds":12345678}' % (1_760_000_000 + n)),
                kind="read-local",
            ),
            ImportedFunctionInvoked(
                at_ms=at_ms + n,
                function="wasi:random/random.{get-random-u64}",
                response=Raw(b"%d" % (n * 0x9E3779B97F4A7C15 % 2**64)),
                kind="read-local",
            ),
            ImportedFunctionInvoked(
                at_ms=at_ms + n,
                function="wasi:clocks/monotonic-clock.{now}",
                response=Raw(b"%d" % (n * 1_000_003)),
                kind="read-local",
            ),
            Log(at_ms=at_ms + n, level="stdout", message=f"added {n}"),
            ExportedFunctionCompleted(
                at_ms=at_ms + n, idempotency_key=key, result=Raw(b"%d" % n)
            ),
        ]
    return log


def replay(cursor: Cursor) -> None:
    while (invocation := cursor.next_invocation()) is not None:
        cursor.answer("wasi:clocks/wall-clock.{now}")
        cursor.answer("wasi:random/random.{get-random-u64}")
        cursor.answer("wasi:clocks/monotonic-clock.{now}")
        number = invocation.params
        cursor.already_logged("stdout", "added")
        cursor.completed(result=Raw(bytes(number)[1:-1]))
    assert cursor.at_end


def measure(log: list[Entry], per_commit: int) -> float:
    stored = []
    previous = GENESIS_HASH
    started = time.perf_counter()
    for start in range(0, len(log), per_commit):
        encoded = encode(start + 1, log[start : start + per_commit], Marks(), previous)
        stored.append((start + 1, previous, encoded))
        previous = encoded.hash
    encode_s = time.perf_counter() - started

    started = time.perf_counter()
    for first, before, encoded in stored:
        decode(encoded.data, encoded.headers, expected_first=first, expected_previous=before)
    decode_s = time.perf_counter() - started

    started = time.perf_counter()
    replay(
        Cursor(
            (
                decode(e.data, e.headers, expected_first=first, expected_previous=before),
                first,
            )
            for first, before, e in stored
        )
    )
    replay_s = time.perf_counter() - started

    data = sum(len(e.data) for _, _, e in stored)
    headers = sum(len(k) + len(v) + 4 for _, _, e in stored for k, v in e.headers.items())
    count = len(log)
    print(
        f"{per_commit:>4} entries per commit: encode {encode_s / count * 1e6:5.2f} µs, "
        f"decode {decode_s / count * 1e6:5.2f} µs, decode and cursor "
        f"{replay_s / count * 1e6:5.2f} µs ({count / replay_s:>9,.0f}/s), "
        f"{data / count:5.1f} bytes + {headers / count:5.1f} of headers per entry"
    )
    return count / replay_s


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    log = entries(count)
    slowest = min(measure(log, per_commit) for per_commit in (2, 6, 60, 500))
    wanted = BUDGET_PER_S * SHARE
    print(
        f"slowest {slowest:,.0f} entries/s; wanted {wanted:,} "
        f"({SHARE} times the budget of {BUDGET_PER_S:,}, the guest gets the rest)"
    )
    return 0 if slowest >= wanted else 1


if __name__ == "__main__":
    sys.exit(main())
