"""Recorded snapshots: whatever was ever written is read for ever, or refused as another version.

`snapshots/v1/` holds each layer as some release wrote it; the files are never changed or removed,
and `SHA256SUMS` sees to that. To add a case for a new field: add it below, run

    python tests/golden/test_snapshots.py

which writes the files that are missing and never touches those that exist, and commit them.
"""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from actors.engine.snapshot import image as instance
from actors.engine.snapshot.image import (
    Binding,
    FunctionName,
    GlobalImage,
    HandleImage,
    HandleTableImage,
    Image,
    MemoryImage,
    TableImage,
)
from actors.host import saving
from actors.host.files.initial import InitialFile, new_filesystem
from actors.host.pollable import Always, Timer
from actors.host.streams import ClosedInput, ConsoleOutput, IoError
from actors.host.wasi.filesystem_types import FILES
from actors.saved_worker import SavedGuest, SavedResources, SavedWorker
from actors.saved_worker import encode as encode_worker
from oplog.entries import Create, Failure, Jump, Snapshot
from oplog.key_index import EMPTY, OutcomeRef
from oplog.snapshots import Base, Pointer, SavedCommit
from oplog.status import FoldState

ROOT = Path(__file__).parent / "snapshots"
SUMS = ROOT / "SHA256SUMS"
T = 1_764_000_000_000

BINDING = Binding(component="c0" * 32, layout="1a" * 32, configuration="cf" * 8)
IMAGE = Image(
    binding=BINDING,
    memories=(
        MemoryImage(slot=1, name="memory", size=131_072, pages=b"\1\0\0\0\7\0\0\0", data=b"zstd"),
        MemoryImage(slot=2, name="\0memory0", size=65_536),
    ),
    globals=(
        GlobalImage(slot=1, name="\0global0", kind=0, value=b"\1\2\3\4"),
        GlobalImage(slot=1, name="f", kind=5, function=FunctionName(3, "run")),
        GlobalImage(slot=1, name="g", kind=5),
    ),
    tables=(
        TableImage(slot=0, name="t", size=9, changed=((3, FunctionName(0, "t", 1)), (4, None))),
    ),
    handles=(HandleTableImage((None, HandleImage(2, 0), None, HandleImage(5, 77)), (2,)),),
)
WORKER = SavedWorker(
    v=1,
    guest=SavedGuest(
        image=b"image",
        host=b"host",
        level="persist-remote-side-effects",
        idempotent=False,
        resources=SavedResources(3, ((2, 5, 77),)),
    ),
    consumed_index=40,
    consumed_ms=T,
    segments=EMPTY.adding({"k-1": OutcomeRef(4, 17), "k-2": OutcomeRef(9, 23)}).segments,
    open_keys=(("seq-9", OutcomeRef(12, 31)),),
)
POINTER = Pointer(
    snapshots=(
        Base(
            commit=SavedCommit(index=41, log_sequence=1042, hash="00" * 16),
            blob="snapshot/b7e1c0de/41-0011223344556677",
            size=144_000,
            sha256="00" * 32,
            at_ms=T,
            created=Create(
                at_ms=T,
                incarnation="b7e1c0de",
                component="counter",
                worker="alice",
                component_version=3,
                env=(("LANG", "cs_CZ"),),
            ),
            status=FoldState(
                state="idle",
                index=41,
                component_version=3,
                created_at_ms=T,
                invocations=12,
                last_error=Failure(kind="trap", message="unreachable"),
                snapshots=1,
                snapshot=Snapshot(at_ms=T, index=20, blob="snapshot/b/20-x", size=1, sha256="x"),
            ),
            last_ms=T + 5,
            structural=((8, Jump(at_ms=T, start=4, end=7)),),
            outstanding=Raw(b"[]"),
        ),
    )
)


def host_objects() -> bytes:
    files = (InitialFile(path="/etc/own", data=b"mine", is_writable=True),)
    objects = [ConsoleOutput("stdout"), ClosedInput(), Timer(12), Always()]
    error = IoError("no such file", filesystem_code="no-entry")
    return saving.save([*objects, error], {FILES: new_filesystem(files)})


def seen_of_host(data: bytes) -> Any:
    loaded = saving.load(data)
    files = loaded.state[FILES]
    nodes = [(path, node.type, node.number, node.size) for path, node in files.walk()]
    kinds = [type(one).__name__ for one in loaded.objects]
    return kinds, loaded.objects[0].stream, loaded.objects[2].deadline_ns, loaded.objects[4], nodes


CASES: dict[str, tuple[Callable[[], bytes], Callable[[bytes], Any], Any]] = {
    "instance": (
        lambda: instance.encode(IMAGE),
        lambda data: instance.decode(data, BINDING),
        IMAGE,
    ),
    "host": (
        host_objects,
        seen_of_host,
        (
            ["ConsoleOutput", "ClosedInput", "Timer", "Always", "IoError"],
            "stdout",
            12,
            IoError("no such file", filesystem_code="no-entry"),
            [
                ("etc", "directory", 3, 0),
                ("etc/own", "regular-file", 4, 4),
                ("tmp", "directory", 2, 0),
            ],
        ),
    ),
    "worker": (
        lambda: encode_worker(WORKER),
        lambda data: msgspec.msgpack.decode(data[8:], type=SavedWorker),
        WORKER,
    ),
    "pointer": (
        lambda: msgspec.json.encode(POINTER),
        lambda data: msgspec.json.decode(data, type=Pointer),
        POINTER,
    ),
}


def files() -> list[Path]:
    return sorted(ROOT.glob("v*/*.data"))


def sums() -> dict[str, str]:
    return dict(reversed(line.split("  ")) for line in SUMS.read_text().splitlines())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_no_recorded_file_was_changed_or_removed() -> None:
    assert {str(path.relative_to(ROOT)): digest(path) for path in files()} == sums()


@pytest.mark.parametrize("case", CASES)
def test_what_was_recorded_is_still_understood(case: str) -> None:
    _, read, expected = CASES[case]
    assert read((ROOT / "v1" / f"{case}.data").read_bytes()) == expected


@pytest.mark.parametrize("case", CASES)
def test_what_is_written_now_reads_the_same(case: str) -> None:
    write, read, expected = CASES[case]
    assert read(write()) == expected


def main() -> int:
    (ROOT / "v1").mkdir(parents=True, exist_ok=True)
    added = 0
    for case, (write, _, _) in CASES.items():
        path = ROOT / "v1" / f"{case}.data"
        if not path.exists():
            path.write_bytes(write())
            added += 1
    lines = [f"{digest(path)}  {path.relative_to(ROOT)}" for path in files()]
    SUMS.write_text("\n".join(lines) + "\n")
    print(f"added {added} recorded files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
