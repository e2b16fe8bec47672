"""Disks of brokers that are slow, full, torn in mid-write, or that have a bit flipped."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Final

__all__ = [
    "can_slow",
    "cut_last_write",
    "filled",
    "flip_bit",
    "own_disk",
    "slowed",
    "tear_last_write",
]

_DELAY_US: Final = 40_000
_BALLAST: Final = "ballast"
_CUT_BYTES: Final = 20
_BLOCK: Final = 1 << 16


def can_slow() -> bool:
    """Whether system calls of another process can be held back here."""
    return shutil.which("strace") is not None and os.geteuid() == 0


@contextlib.contextmanager
def slowed(pid: int) -> Generator[None]:
    """Make each sync of a process take 40 ms more."""
    calls = "fsync,fdatasync"
    holding = subprocess.Popen(
        [
            *("strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={calls}"),
            *("-e", f"inject={calls}:delay_enter={_DELAY_US}", "-p", str(pid)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        holding.terminate()
        holding.wait()


@contextlib.contextmanager
def own_disk(folder: Path, megabytes: int) -> Generator[bool]:
    """Put a small disk of its own under a folder, in memory; False: that is not possible here."""
    folder.mkdir(parents=True, exist_ok=True)
    size = f"size={megabytes}m"
    made = shutil.which("mount") is not None and (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        ).returncode
        == 0
    )
    try:
        yield made
    finally:
        if made:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


@contextlib.contextmanager
def filled(folder: Path) -> Generator[None]:
    """Take all room that is left on the disk of a folder."""
    ballast = folder / _BALLAST
    try:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as opened:
            while opened.write(bytes(_BLOCK)):
                pass
        yield
    finally:
        ballast.unlink(missing_ok=True)


def tear_last_write(store: Path) -> bool:
    """Leave half of a message behind the last one, as a crash in the middle of a write does."""
    block = _last_block(store)
    if block is None or block.stat().st_size < 64:
        return False
    beginning = block.read_bytes()[:48]
    with block.open("ab") as opened:
        opened.write(beginning)
    return True


def cut_last_write(store: Path) -> bool:
    """Take the end of the last message away, as a disk does that had promised to keep it."""
    block = _last_block(store)
    if block is None or block.stat().st_size < 64:
        return False
    os.truncate(block, block.stat().st_size - _CUT_BYTES)
    return True


def flip_bit(store: Path, share: float) -> bool:
    """Change one bit at that share of the last block of the oplog stream."""
    block = _last_block(store)
    if block is None or not block.stat().st_size:
        return False
    data = bytearray(block.read_bytes())
    data[int(len(data) * share)] ^= 16
    block.write_bytes(bytes(data))
    return True


def _last_block(store: Path) -> Path | None:
    blocks = [
        (int(block.stem), block)
        for block in store.rglob("streams/SHEM_OPLOG/msgs/*.blk")
        if block.stem.isdecimal()
    ]
    return max(blocks)[1] if blocks else None
