"""Recorded logs: whatever was ever written must be read, shown and replayed for ever.

`oplog/<version>/` holds commits exactly as some release wrote them, `<case>-<n>.data` and
`<case>-<n>.headers`. They are never changed or removed; `oplog/SHA256SUMS` and the first test see
to that. Beside them lies for every case the text of its entries, `<case>.txt`, which changes when
the rendering is meant to change: remove it and have it written again.

To add a case (every new entry type and every new field needs one): add it to `CASES`, run

    python tests/golden/test_oplog.py

which writes the files that are missing and never touches those that exist, and commit the new files
together with the change. If a test here fails after a change, the change breaks existing logs: make
it an addition instead, or a new format version with a reader for the old one.
"""

import hashlib
import itertools
import sys
from pathlib import Path

import msgspec
import pytest

from oplog.codec import FORMAT_VERSION, decode, encode
from oplog.commit import GENESIS_HASH, Commit, Marks
from oplog.entries import (
    HINTS,
    BeginAtomicRegion,
    BeginRemoteTransaction,
    BeginRemoteWrite,
    Caller,
    CancelPendingInvocation,
    ClientMessage,
    CommandDone,
    CommittedRemoteTransaction,
    Create,
    Deleted,
    EndAtomicRegion,
    EndRemoteWrite,
    Entry,
    ErrorEntry,
    Exited,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    Failure,
    FinishSpan,
    ImportedFunctionInvoked,
    Interrupted,
    InvocationRejected,
    Jump,
    Log,
    NoOp,
    Order,
    PendingUpdate,
    PreCommitRemoteTransaction,
    PreRollbackRemoteTransaction,
    Promise,
    PromiseCompleted,
    Raw,
    RemoteCall,
    Repeat,
    Restart,
    Revert,
    RolledBackRemoteTransaction,
    SetSpanAttribute,
    StartSpan,
    SuccessfulUpdate,
    Suspend,
)
from oplog.headers import peek
from oplog.plan import plan_of
from oplog.public import public
from oplog.render import line
from oplog.replay import Cursor
from oplog.status import fold
from tests.golden.change_cases import CHANGES
from tests.golden.snapshot_cases import PURGED, SNAPSHOT

ROOT = Path(__file__).parent / "oplog"
SUMS = ROOT / "SHA256SUMS"
VERSION = f"v{FORMAT_VERSION}"
T = 1_764_000_000_000

TO_CLIENT = ClientMessage(client="5f2b61a09c3e", incarnation="77aa")
CALLER = Caller(component="shop", worker="basket-7", incarnation="77aa", index=12)
TRAP = Failure(kind="trap", message="unreachable executed\n  at add")
CREATE = Create(
    at_ms=T,
    incarnation="b7e1c0de",
    component="counter",
    worker="alice",
    component_version=3,
    args=("--verbose", "a b"),
    env=(("LANG", "cs_CZ"), ("TOKEN", "secret")),
    parent="counter/zoe",
)
INVOKED = ExportedFunctionInvoked(
    at_ms=T + 1,
    function="demo:counter/api.{add}",
    params=Raw(b'[5,"\xc5\xa1em"]'),
    idempotency_key="k-1",
    sequence=1042,
    result_to="_INBOX.abc.1",
    caller=CALLER,
    chain=("shop/basket-7", "shop/cart"),
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    tracestate="vendor=1",
)
NOW = ImportedFunctionInvoked(
    at_ms=T + 2,
    function="wasi:clocks/wall-clock.{now}",
    response=Raw(b'{"seconds":1764000000,"nanoseconds":2000000}'),
    kind="read-local",
)
GET = ImportedFunctionInvoked(
    at_ms=T + 3,
    function="wasi:keyvalue/eventual.{get}",
    request=Raw(b'["b","key"]'),
    response=Raw(
        b'{"$blob":"payload/b7e1c0de/4-0011223344556677","size":70000,'
        b'"sha256":"0011223344556677889900112233445566778899001122334455667788990011"}'
    ),
    kind="read-remote",
)
OUT = Log(at_ms=T + 4, level="stdout", message="added\t5\n")
COMPLETED = ExportedFunctionCompleted(
    at_ms=T + 5, idempotency_key="k-1", result=Raw(b'{"ok":{"sum":5}}')
)
FAILED = ExportedFunctionCompleted(at_ms=T + 6, idempotency_key="k-2", error=TRAP)
REJECTED = InvocationRejected(
    at_ms=T + 7,
    idempotency_key="seq-9",
    sequence=9,
    error=Failure(kind="bad-parameters", message="params[0]: expected u32"),
    result_to="_INBOX.abc.2",
    caller=CALLER,
    function="demo:counter/api.{add}",
)
RETRY = ErrorEntry(at_ms=T + 8, error=TRAP, attempt=1, retry_at_ms=T + 1008)

# Case: the entries of its commits. The first index of all but `story` is 2, as if after a create.
CASES: dict[str, list[list[Entry]]] = {
    **CHANGES,
    "purged": PURGED,
    "create": [
        [CREATE],
        [Create(incarnation="b", component="c", worker="w", component_version=0)],
    ],
    "exported-function-invoked": [
        [INVOKED],
        [ExportedFunctionInvoked(function="f", params=Raw(b"[]"), idempotency_key="k", sequence=1)],
    ],
    "exported-function-completed": [
        [COMPLETED],
        [FAILED],
        [ExportedFunctionCompleted(idempotency_key="k")],
    ],
    "completed-with-function": [
        [
            ExportedFunctionCompleted(
                at_ms=T, idempotency_key="k-1", function="demo:counter/api.{add}", result=Raw(b"5")
            )
        ]
    ],
    "invocation-rejected": [
        [REJECTED],
        [
            InvocationRejected(
                idempotency_key="k", sequence=1, error=Failure(kind="bad-message", message="")
            )
        ],
    ],
    "imported-function-invoked": [[NOW], [GET]],
    "calls": [
        [
            ImportedFunctionInvoked(
                at_ms=T,
                function="golem:rpc/types#[method]wasm-rpc.invoke-and-await",
                request=Raw(b'[{"nodes":[{"prim-u64":5}]}]'),
                response=Raw(b"{}"),
                kind="write-remote",
                asks=RemoteCall(
                    component="counter",
                    worker="bob",
                    function="add",
                    key="0c4b",
                    form="wit-values",
                    run_at_ms=T + 60_000,
                    deadline_ms=T + 90_000,
                    chain=("shop/cart",),
                    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                    tracestate="vendor=1",
                ),
            ),
            ImportedFunctionInvoked(
                at_ms=T,
                function="golem:api/host#create-promise",
                response=Raw(b"{}"),
                kind="write-local",
                asks=Promise(),
            ),
        ],
        [
            Suspend(at_ms=T, waits_for=(2, 3)),
            ImportedFunctionInvoked(
                at_ms=T,
                function="golem:rpc/types#[method]wasm-rpc.invoke-and-await.answer",
                response=Raw(b'{"result":{"nodes":[{"prim-u64":5}]}}'),
                kind="read-remote",
                settles=2,
            ),
        ],
        [
            ImportedFunctionInvoked(
                function="f",
                response=Raw(b"{}"),
                kind="write-remote",
                asks=RemoteCall(component="c", worker="w", function="f", key="k", awaits=False),
            ),
            InvocationRejected(
                idempotency_key="k",
                sequence=9,
                error=TRAP,
                caller=Caller(
                    component="c", worker="w", incarnation="i", index=2, form="wit-value"
                ),
            ),
        ],
    ],
    "recurring": [
        [
            ExportedFunctionInvoked(
                function="add",
                params=Raw(b"[1]"),
                idempotency_key="tick@1764000000000",
                sequence=7,
                repeat=Repeat(
                    id="tick",
                    due_ms=T + 60_000,
                    call="add(1)",
                    cron="* * * * *",
                    zone="Europe/Prague",
                    catch_up="all",
                ),
            ),
            InvocationRejected(
                idempotency_key="tick@1764000060000",
                sequence=8,
                error=Failure(kind="missed", message="over"),
                repeat=Repeat(id="tick", due_ms=T, call="add(1)", every_ms=60_000),
            ),
        ]
    ],
    "no-op": [[NoOp(at_ms=T)], [NoOp()]],
    "suspend": [[Suspend(at_ms=T, wake_at_ms=T + 60_000)], [Suspend()]],
    "error": [[RETRY], [ErrorEntry(error=TRAP, attempt=3)]],
    "interrupted": [[Interrupted(at_ms=T)], [Interrupted()]],
    "exited": [[Exited(at_ms=T, code=3)], [Exited()]],
    "restart": [[Restart(at_ms=T)], [Restart()]],
    "cancel-pending-invocation": [[CancelPendingInvocation(at_ms=T, idempotency_key="k-9")]],
    "log": [
        [OUT, Log(at_ms=T, level="warn", message="\x1b[31mred", context="shop")],
        [Log(level="stderr", message="")],
    ],
    "snapshot": SNAPSHOT,
    "jump": [[Jump(at_ms=T, start=5, end=9)]],
    "revert": [[Revert(at_ms=T, start=5, end=9)]],
    "reserved-index": [[NoOp(at_ms=T, function="golem:api/host#get-oplog-index")]],
    "atomic-region": [
        [BeginAtomicRegion(at_ms=T)],
        [EndAtomicRegion(at_ms=T, begin_index=4)],
    ],
    "remote-write": [
        [
            BeginRemoteWrite(at_ms=T, function="wasi:http/outgoing-handler#handle"),
            BeginRemoteWrite(function="f", idempotent=False),
        ],
        [
            ImportedFunctionInvoked(
                at_ms=T,
                function="wasi:http/types#status",
                kind="write-remote-batched",
                response=Raw(b"200"),
                begin_index=4,
            )
        ],
        [EndRemoteWrite(at_ms=T, begin_index=4)],
    ],
    "remote-transaction": [
        [
            BeginRemoteTransaction(at_ms=T, function="db#begin", transaction_id="tx-1"),
            BeginRemoteTransaction(function="f", transaction_id="", original_begin_index=3),
        ],
        [
            PreCommitRemoteTransaction(at_ms=T, begin_index=3),
            CommittedRemoteTransaction(at_ms=T, begin_index=3),
            PreRollbackRemoteTransaction(at_ms=T, begin_index=3),
            RolledBackRemoteTransaction(at_ms=T, begin_index=3),
        ],
    ],
    "span": [
        [
            StartSpan(at_ms=T, span_id="00f067aa0ba902b7", name="check", parent="b7ad6b7169203331"),
            SetSpanAttribute(at_ms=T, span_id="00f067aa0ba902b7", key="who", value="al\tice"),
            FinishSpan(at_ms=T, span_id="00f067aa0ba902b7"),
        ],
        [StartSpan(span_id="00f067aa0ba902b7", name="")],
    ],
    "orders": [
        [
            Create(
                incarnation="b",
                component="c",
                worker="copy",
                component_version=0,
                parent="c/w",
                copied=12,
            )
        ],
        [
            PromiseCompleted(at_ms=T, promise_index=3, result=Raw(b'"AAEC"')),
            ImportedFunctionInvoked(
                at_ms=T,
                function="golem:api/host#update-worker",
                kind="write-remote",
                response=Raw(b"null"),
                asks=Order(component="c", worker="v", body='{"command":"update"}'),
            ),
        ],
        [
            CommandDone(at_ms=T, command="Update", caller=CALLER, result=Raw(b'{"version":2}')),
            CommandDone(command="Fork", caller=CALLER, error=TRAP),
        ],
    ],
    "own-promise": [
        [
            ImportedFunctionInvoked(
                at_ms=T,
                function="golem:api/host#complete-promise",
                kind="write-local",
                request=Raw(b'"AAEC"'),
                response=Raw(b"true"),
                completes=3,
            )
        ],
        [CommandDone(at_ms=T, command="ForkWorker")],
    ],
    "client-message": [[msgspec.structs.replace(GET, asks=TO_CLIENT)]],
    "second-thoughts": [
        [CREATE, INVOKED, BeginAtomicRegion(at_ms=T + 2)],
        [NOW, Jump(at_ms=T + 3, start=4, end=4), NOW, EndAtomicRegion(begin_index=3)],
        [
            COMPLETED,
            INVOKED,
            NOW,
            Revert(at_ms=T + 9, start=9, end=10),
            PendingUpdate(at_ms=T + 10, target_version=4),
            SuccessfulUpdate(at_ms=T + 11, target_version=4),
        ],
    ],
    "deleted": [[Deleted(at_ms=T, incarnation="b7e1c0de")]],
    "compressed": [[Log(at_ms=T + n, level="stdout", message=f"line {n}") for n in range(300)]],
    "story": [
        [CREATE, REJECTED, INVOKED],
        [NOW, OUT, NoOp(at_ms=T + 4), RETRY],
        [Suspend(at_ms=T + 9, wake_at_ms=T + 60_000)],
        [GET, Interrupted(at_ms=T + 10), Restart(at_ms=T + 11), COMPLETED],
        [
            CancelPendingInvocation(at_ms=T + 12, idempotency_key="k-9"),
            ExportedFunctionInvoked(
                at_ms=T + 13,
                function="run",
                params=Raw(b"[]"),
                idempotency_key="k-2",
                sequence=2000,
            ),
            ErrorEntry(at_ms=T + 14, error=TRAP, attempt=3),
            FAILED,
        ],
    ],
}
LOGS = {"story", "second-thoughts"}
FIRST = {"story": 1, "second-thoughts": 1, "create": 1, "deleted": 0}


def written(name):
    """The commits of a case as this release writes them."""
    first = FIRST.get(name, 2)
    previous = GENESIS_HASH if first == 1 else "0" * 32
    for number, entries in enumerate(CASES[name], 1):
        marks = Marks(invoked=1000 + number, control=number, sent=max(first - 1, 0))
        encoded = encode(first, entries, marks, previous)
        yield encoded
        if name in LOGS:
            first += len(entries)
            previous = encoded.hash


def recorded(version, name):
    """The commits of a case as they lie here: (data, headers)."""
    for number in range(1, 1000):
        data = ROOT / version / f"{name}-{number}.data"
        if not data.exists():
            return
        headers = data.with_suffix(".headers").read_text().splitlines()
        yield data.read_bytes(), dict(header.split(": ", 1) for header in headers)


def decoded(version, name):
    for data, headers in recorded(version, name):
        first = peek(headers).first
        yield decode(data, headers, expected_first=first, expected_previous=None)


def texts(commits: list[Commit]) -> str:
    rendered = [
        line(index, entry)
        for commit in commits
        for index, entry in enumerate(commit.entries, commit.first)
    ]
    return "\n".join([*rendered, ""])


VERSIONS_AND_CASES = sorted(
    {(path.parent.name, path.name.rsplit("-", 1)[0]) for path in ROOT.glob("*/*.data")}
)


def test_no_recorded_file_was_changed_or_removed_and_none_is_unknown():
    sums = dict(reversed(text.split("  ", 1)) for text in SUMS.read_text().splitlines())
    found = {
        path.relative_to(ROOT).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in ROOT.glob("*/*")
        if path.suffix != ".txt"
    }

    assert found == sums


def test_every_entry_type_is_recorded_in_the_newest_version():
    recorded_types = {
        type(entry)
        for version, name in VERSIONS_AND_CASES
        if version == VERSION
        for commit in decoded(version, name)
        for entry in commit.entries
    }

    assert set(Entry.__args__) == recorded_types


@pytest.mark.parametrize(("version", "name"), VERSIONS_AND_CASES)
def test_a_recorded_case_decodes_to_what_was_meant(version, name):
    commits = list(decoded(version, name))

    assert [list(commit.entries) for commit in commits] == CASES[name]


@pytest.mark.parametrize(("version", "name"), VERSIONS_AND_CASES)
def test_a_recorded_case_reads_as_it_did(version, name):
    commits = list(decoded(version, name))

    assert texts(commits) == (ROOT / version / f"{name}.txt").read_text()


@pytest.mark.parametrize(("version", "name"), VERSIONS_AND_CASES)
def test_a_recorded_case_has_a_public_view(version, name):
    for commit in decoded(version, name):
        for index, entry in enumerate(commit.entries, commit.first):
            view = msgspec.json.decode(msgspec.json.encode(public(index, entry)))
            assert view["index"] == index
            assert view["entry"]["type"] == entry.__struct_config__.tag


@pytest.mark.parametrize("name", [name for name in CASES if name != "compressed"])
def test_this_release_writes_the_bytes_that_are_recorded(name):
    # Compressed bytes are the compressor's own affair; what is inside is covered by its hash.
    ours = [(encoded.data, encoded.headers) for encoded in written(name)]

    assert ours == list(recorded(VERSION, name))


@pytest.mark.parametrize(
    ("version", "name"), [pair for pair in VERSIONS_AND_CASES if pair[1] == "story"]
)
def test_a_recorded_log_replays(version, name):
    commits = list(decoded(version, name))
    for before, after in itertools.pairwise(commits):
        assert (after.first, after.previous) == (before.last + 1, before.hash)
    entries = [entry for commit in commits for entry in commit.entries]
    cursor = Cursor([(commit, number) for number, commit in enumerate(commits, 1)])

    for entry in entries:
        match entry:
            case ExportedFunctionInvoked():
                assert cursor.next_invocation() == entry
            case ImportedFunctionInvoked():
                assert cursor.answer(entry.function, entry.request) == entry.response
            case ExportedFunctionCompleted():
                assert cursor.completed(result=entry.result, error=entry.error) == entry
            case Create():
                assert cursor.created == entry
            case _:
                assert isinstance(entry, (*HINTS, NoOp))

    assert cursor.at_end
    assert cursor.status.status() == fold(entries)
    assert cursor.status.state == "failed"
    assert {key: ref.index for key, ref in cursor.outcomes.items()} == {
        "seq-9": 2,
        "k-1": 12,
        "k-9": 13,
        "k-2": 16,
    }


@pytest.mark.parametrize(
    ("version", "name"), [pair for pair in VERSIONS_AND_CASES if pair[1] == "second-thoughts"]
)
def test_a_recorded_log_with_second_thoughts_replays(version, name):
    commits = list(decoded(version, name))
    entries = [entry for commit in commits for entry in commit.entries]
    plan = plan_of(enumerate(entries, 1))
    cursor = Cursor([(commit, number) for number, commit in enumerate(commits, 1)], plan)

    assert (list(plan.deleted), list(plan.skipped)) == ([(9, 10)], [(4, 4), (9, 10)])
    assert cursor.next_invocation() == INVOKED
    assert cursor.mark(BeginAtomicRegion()) == (3, entries[2])
    assert cursor.answer(NOW.function) == NOW.response
    assert cursor.mark(EndAtomicRegion(begin_index=3)) == (7, entries[6])
    assert cursor.completed(result=COMPLETED.result) == COMPLETED
    assert cursor.at_end
    assert (cursor.status.status().state, cursor.status.status().component_version) == ("idle", 4)
    assert cursor.outcomes.keys() == {"k-1"}


def add_missing() -> int:
    folder = ROOT / VERSION
    folder.mkdir(parents=True, exist_ok=True)
    added = []
    for name in CASES:
        for number, encoded in enumerate(written(name), 1):
            data = folder / f"{name}-{number}.data"
            if not data.exists():
                data.write_bytes(encoded.data)
                headers = [f"{key}: {value}" for key, value in encoded.headers.items()]
                data.with_suffix(".headers").write_text("\n".join([*headers, ""]))
                added += [data, data.with_suffix(".headers")]
        text = folder / f"{name}.txt"
        if not text.exists():
            text.write_text(texts(list(decoded(VERSION, name))))
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(ROOT).as_posix()}\n"
        for path in added
    ]
    with SUMS.open("a") as file:
        file.writelines(sums)
    print(f"added {len(added)} recorded files")
    return 0


if __name__ == "__main__":
    sys.exit(add_missing())
