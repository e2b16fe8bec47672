"""What loading a component finds out before compiling, kept on disk by the component's digest.

Reading and planning a Python guest takes a hundred times longer than reading the outcome back. Like
compiled code, the directory must be as trusted as the program itself: its files are pickles.
"""

import contextlib
import hashlib
import pickle
from functools import cache
from pathlib import Path
from typing import final

from msgspec import Struct

from actors.engine.configuration import CODE_KEY
from actors.engine.core.expose import StateExport
from actors.engine.files import write_whole
from actors.engine.plan.model import Plan
from wit.world import World

__all__ = [
    "PreparationCache",
    "Prepared",
    "PreparedModule",
    "from_bytes",
    "preparation_name",
    "to_bytes",
]

_SUFFIX = ".plan"


class PreparedModule(Struct, frozen=True):
    """A core module in bytes `start` to `end` of the component.

    `key` is the SHA-256 of the module with its state exposed, which is what gets compiled. `entry`
    is the start function, if it has one, `again` what drops segments again in a restored instance.
    With `hides_drops` it may drop some unseen. `refused` is the global that is set when a memory
    does not grow; with `hides_grows` there is none although there may be such memories.
    """

    key: str
    start: int
    end: int
    state: tuple[StateExport, ...]
    functions: tuple[str, ...]
    entry: str | None
    again: str | None
    hides_drops: bool
    refused: str | None
    hides_grows: bool


class Prepared(Struct, frozen=True):
    """All that is known of a component without compiling it."""

    world: World
    plan: Plan
    modules: tuple[PreparedModule, ...]
    memory_size: int
    """Bytes that the linear memories of a new instance take."""


@final
class PreparationCache:
    """Without a directory it remembers nothing."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def _path(self, digest: str) -> Path | None:
        return None if self._directory is None else self._directory / preparation_name(digest)

    def read(self, digest: str) -> Prepared | None:
        """Return what was written for that component by the same planner, if it is intact."""
        path = self._path(digest)
        if path is None or not path.exists():
            return None
        try:
            content = path.read_bytes()
        except OSError:
            return None
        checksum, body = content[:32], content[32:]
        if hashlib.sha256(body).digest() != checksum:
            return None
        return from_bytes(body)

    def write(self, digest: str, prepared: Prepared) -> None:
        """Keep it. A full disk costs the next load some time, nothing else."""
        path = self._path(digest)
        if path is not None:
            body = to_bytes(prepared)
            with contextlib.suppress(OSError):
                write_whole(path, hashlib.sha256(body).digest() + body)


def preparation_name(digest: str) -> str:
    """Return the name under which a component's preparation is kept."""
    return f"{digest}-{CODE_KEY}-{_planner_key()}{_SUFFIX}"


def to_bytes(prepared: Prepared) -> bytes:
    """Return what is known of a component as bytes."""
    return pickle.dumps(prepared, pickle.HIGHEST_PROTOCOL)


def from_bytes(data: bytes) -> Prepared | None:
    """Return what `to_bytes` wrote, None if it is anything else. Only for trusted bytes."""
    try:
        prepared = pickle.loads(data)  # noqa: S301 - the caller trusts where they come from
    except Exception:  # noqa: BLE001 - whatever is wrong with it, planning again repairs it
        return None
    return prepared if isinstance(prepared, Prepared) else None


@cache
def _planner_key() -> str:
    """Return what a plan depends on besides the component: the code that reads and plans it."""
    engine = Path(__file__).parent
    wit = engine.parent.parent / "wit"
    digest = hashlib.sha256()
    parts = [engine, *(engine / name for name in ("plan", "core", "abi", "validate"))]
    for directory in (*parts, wit / "binary", wit):
        for path in sorted(directory.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
