"""What the files of a build were when it ran last, so that nothing is done twice.

A step is up to date if the digest of its command and of the contents of its sources is the one
that is noted. Contents are hashed anew only for files whose size or time of change differ from
what is noted, so that looking at an unchanged app is a matter of milliseconds.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, final

import msgspec
from msgspec import Struct

from shem.errors import BuildError

__all__ = ["Fingerprints", "matching"]

SOURCE_FILES_MAX: Final = 50_000
_STATE: Final = "state.json"
# What tools leave among sources.
_IGNORED: Final = frozenset({"__pycache__", ".git", "node_modules"})


class _File(Struct, frozen=True, array_like=True):
    size: int
    mtime_ns: int
    digest: str


class _State(Struct):
    steps: dict[str, str] = {}
    files: dict[str, _File] = {}
    made: dict[str, list[str]] = {}


@final
class Fingerprints:
    """The notes of an app, kept in its temporary folder. Lost or damaged notes: all runs again."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _STATE
        try:
            self._state = msgspec.json.decode(self._path.read_bytes(), type=_State)
        except (OSError, msgspec.MsgspecError):
            self._state = _State()

    def is_current(self, step: str, digest: str) -> bool:
        """Whether `step` ran last with this digest."""
        return self._state.steps.get(step) == digest

    def note(self, step: str, digest: str) -> None:
        """Note that `step` ran well."""
        self._state.steps[step] = digest

    def forget(self, step: str) -> None:
        """Note that `step` has to run: it is about to, and may fail halfway."""
        self._state.steps.pop(step, None)

    def note_made(self, component: str, paths: Iterable[str]) -> None:
        """Note what the build of a component makes, to be found when the component is gone."""
        self._state.made[component] = list(paths)

    def made(self) -> dict[str, list[str]]:
        """Return what was noted of builds, by component."""
        return self._state.made

    def save(self) -> None:
        """Write the notes; only whole ones ever have the name."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        whole = self._path.with_suffix(".new")
        whole.write_bytes(msgspec.json.encode(self._state))
        whole.replace(self._path)

    def digest(self, what: object, files: Iterable[Path]) -> str:
        """Return a digest of what is done, and of the contents and names of its sources."""
        total = hashlib.sha256(msgspec.json.encode(what, order="deterministic"))
        for path in files:
            total.update(f"\n{path}\0{self._file(path)}".encode())
        return total.hexdigest()

    def _file(self, path: Path) -> str:
        name = str(path)
        try:
            status = path.stat()
            known = self._state.files.get(name)
            if known and (known.size, known.mtime_ns) == (status.st_size, status.st_mtime_ns):
                return known.digest
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BuildError(f"{path}: {error.strerror}") from error
        self._state.files[name] = _File(status.st_size, status.st_mtime_ns, digest)
        return digest


def matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    """Return the files that glob patterns name, sorted; a folder stands for all files in it.

    What tools leave in a folder, such as `__pycache__`, is not taken for a source.

    Raises:
        BuildError: a pattern that cannot be one, or far too many files.
    """
    found: set[Path] = set()
    for pattern in patterns:
        try:
            plain = not any(character in pattern for character in "*?[")
            for match in [folder / pattern] if plain else folder.glob(pattern):
                found.update(_files_in(match) if match.is_dir() else [match])
        # NotImplementedError is what pathlib says to patterns that are absolute.
        except (ValueError, NotImplementedError) as error:
            raise BuildError(f'{folder}: pattern "{pattern}": {error}') from error
        if len(found) > SOURCE_FILES_MAX:
            raise BuildError(
                f'{folder}: pattern "{pattern}" names more than {SOURCE_FILES_MAX} files'
            )
    return sorted(each for each in found if each.is_file())


def _files_in(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each not in _IGNORED]
        yield from (Path(place, each) for each in files)
