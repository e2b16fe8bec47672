"""WIT folders on disk: the files of a package, and under `deps/` the packages that it needs.

The one place of this package that reads files.

Source: component-model specification, WIT.md, "Package Names" and "Package declaration".
"""

from collections.abc import Collection
from pathlib import Path

from msgspec.structs import replace

from wit.embedded import decode_packages
from wit.errors import ParseError, WitError
from wit.limits import WIT_FILES_MAX
from wit.text.from_packages import packages_file
from wit.text.model import Packages
from wit.text.nodes import FileNode
from wit.text.parser import parse
from wit.text.problems import Problems
from wit.text.resolver import find_problems, resolve

__all__ = ["check", "load", "read_folder"]


def load(path: Path, *, features: Collection[str] = (), unify: bool = True) -> Packages:
    """Return the packages of a WIT file, or of a folder with everything in its `deps/`.

    Each folder in `deps/` is one package, each file there too; folders may have a `deps/` of their
    own. A `.wasm` file there is a package that was published as a component. A package that occurs
    several times with the same version is read once, the outermost one.

    Raises:
        ParseError: with the file relative to `path`; see `wit.text.resolver.resolve`.
        WitError: nothing to read, or more than `WIT_FILES_MAX` files.
        OSError: a file that cannot be read.
    """
    return resolve(read_folder(path), features=features, unify=unify)


def read_folder(path: Path) -> list[list[FileNode]]:
    """Return the files of each package, dependencies first, the main package last.

    Raises:
        ParseError: with the file relative to `path`.
        WitError: nothing to read, or more than `WIT_FILES_MAX` files.
        OSError: a file that cannot be read.
    """
    return _read_packages(path, Problems(keep=False))


def check(path: Path, *, features: Collection[str] = (), unify: bool = True) -> list[ParseError]:
    """Return all that is wrong with a WIT file or folder; an empty list if `load` would load it.

    Syntax comes first: names are looked up only if all files parse, one error is told per file.

    Raises:
        WitError: nothing to read, or more than `WIT_FILES_MAX` files.
        OSError: a file that cannot be read.
    """
    problems = Problems(keep=True)
    folders = _read_packages(path, problems)
    return problems.found or find_problems(folders, features=features, unify=unify)


def _read_packages(path: Path, problems: Problems) -> list[list[FileNode]]:
    if path.is_file():
        reader = _Reader(path.parent, problems)
        return [[reader.file(path)]]
    reader = _Reader(path, problems)
    main = reader.package(path)
    if not main:
        raise WitError(f"{path}: expected .wit files in the folder")
    reader.add_dependencies(path / "deps")
    reader.add_remaining()
    return [*reader.packages, main]


class _Reader:
    """Reads each package once."""

    def __init__(self, root: Path, problems: Problems) -> None:
        self._root = root
        self._problems = problems
        self._files = 0
        self._known: set[str] = set()
        self.packages: list[list[FileNode]] = []
        self._parts: dict[str, FileNode] = {}

    def package(self, folder: Path) -> list[FileNode]:
        found = [self.file(file) for file in sorted(folder.glob("*.wit")) if file.is_file()]
        self._known.update(file.package.text for file in found if file.package is not None)
        return found

    def add_dependencies(self, deps: Path) -> None:
        if not deps.is_dir():
            return
        for entry in sorted(deps.iterdir()):
            known = set(self._known)
            if entry.is_dir():
                files = self.package(entry)
                nested = entry / "deps"
            elif entry.suffix == ".wit":
                files = [self.file(entry)]
                nested = None
            elif entry.suffix == ".wasm":
                files = self._published(entry)
                nested = None
            else:
                continue
            names = {file.package.text for file in files if file.package is not None}
            if files and not names & known:
                self._known |= names
                self.packages.append(files)
            if nested is not None:
                self.add_dependencies(nested)

    def add_remaining(self) -> None:
        """Add what published packages show of others, where nothing else has them."""
        self.packages += [[part] for name, part in self._parts.items() if name not in self._known]

    def _published(self, file: Path) -> list[FileNode]:
        self._count()
        name = file.relative_to(self._root).as_posix()
        try:
            packages = decode_packages(file.read_bytes())
        except WitError as error:
            raise WitError(f"{name}: {error}") from error
        for full in packages.packages:
            if full != packages.main:
                one = Packages(packages.packages, full)
                self._parts.setdefault(full, packages_file(one, dependencies=False))
        return [replace(packages_file(packages, dependencies=False), file=name)]

    def _count(self) -> None:
        self._files += 1
        if self._files > WIT_FILES_MAX:
            raise WitError(f"{self._root}: more than {WIT_FILES_MAX} WIT files")

    def file(self, file: Path) -> FileNode:
        """Return the tree of one file, an empty one if it does not parse and that is noted."""
        self._count()
        name = file.relative_to(self._root).as_posix()
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise WitError(f"{name}: no UTF-8 text at byte {error.start}") from error
        with self._problems.kept():
            return parse(text, name)
        return FileNode(file=name)
