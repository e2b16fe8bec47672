"""How fast a log is written, read and replayed, without broker and guest.

    python benchmarks/oplog_codec.py [ENTRIES]

Budget: replay takes 20,000 entries a second in total, guest included, so decoding, checking the
chain and the cursor together may take half of the 50 µs that one entry has, in commits of two
entries too.
"""

import collections
import sys
import time
from collections.abc import Callable, Iterator

from msgspec import Raw

from oplog.codec import Encoded, decode, encode
from oplog.commit import GENESIS_HASH, Commit, Marks
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
SHARE = 2
REPEATS = 3
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
            ExportedFunctionCompleted(at_ms=at_ms + n, idempotency_key=key, result=Raw(b"%d" % n)),
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


def chain(log: list[Entry], per_commit: int) -> list[tuple[int, str, Encoded]]:
    stored = []
    previous = GENESIS_HASH
    for start in range(0, len(log), per_commit):
        encoded = encode(start + 1, log[start : start + per_commit], Marks(), previous)
        stored.append((start + 1, previous, encoded))
        previous = encoded.hash
    return stored


def decoded(stored: list[tuple[int, str, Encoded]]) -> Iterator[tuple[Commit, int]]:
    for first, previous, encoded in stored:
        commit = decode(
            encoded.data, encoded.headers, expected_first=first, expected_previous=previous
        )
        yield commit, first


def best_s(work: Callable[[], object]) -> float:
    """Processor time of the fastest of some runs, so that a busy machine tells nearly the same."""
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times)


def measure(log: list[Entry], per_commit: int) -> float:
    stored = chain(log, per_commit)
    encode_s = best_s(lambda: chain(log, per_commit))
    decode_s = best_s(lambda: collections.deque(decoded(stored), maxlen=0))
    replay_s = best_s(lambda: replay(Cursor(decoded(stored))))
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
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30_000
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
