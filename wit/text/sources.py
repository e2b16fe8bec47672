"""The packages of a set of files, before any name is looked up: who declares what, and where."""

from collections.abc import Iterable
from typing import NoReturn, final

from wit.excerpt import parse_error
from wit.misfit import unknown_name
from wit.text.nodes import (
    Attributes,
    FileNode,
    FileUseNode,
    InterfaceNode,
    Item,
    Name,
    PackageName,
    PackageNode,
    PathNode,
    WorldNode,
)
from wit.versions import Version, is_compatible

__all__ = ["Declaration", "PackageSource", "Part", "Sources", "fail"]


def fail(file: FileNode, reason: str, name: Name) -> NoReturn:
    """Raise the error that shows a name in its file.

    Raises:
        ParseError: always.
    """
    raise parse_error(reason, file.text, max(name.offset, 0), length=len(name.text), file=file.file)


@final
class Part:
    """A file or a block of a package: names that `use` brings in hold here alone."""

    def __init__(self, file: FileNode, package: "PackageSource") -> None:
        self.file = file
        self.package = package
        self.uses: dict[str, FileUseNode] = {}


@final
class Declaration:
    """An interface or a world, with the part that it stands in."""

    def __init__(self, node: InterfaceNode | WorldNode, part: Part) -> None:
        self.node = node
        self.part = part

    @property
    def full_name(self) -> str:
        """`namespace:package/name@version`."""
        return self.part.package.name.member(self.node.name.text)

    @property
    def kind(self) -> str:
        """`interface` or `world`."""
        return "interface" if isinstance(self.node, InterfaceNode) else "world"


@final
class PackageSource:
    """One package with all its parts."""

    def __init__(self, name: PackageName) -> None:
        self.name = name
        self.docs: list[str] = []
        self.declarations: dict[str, Declaration] = {}
        # The packages that this one names, with the first place that does.
        self.depends: dict[str, tuple[FileNode, Name]] = {}


@final
class Sources:
    """All packages that may refer to each other, by full name."""

    def __init__(self, *, unify: bool) -> None:
        self._unify = unify
        self.packages: dict[str, PackageSource] = {}

    def add_folder(self, files: Iterable[FileNode]) -> PackageSource:
        """Add the files of one package, and the packages that stand nested in them.

        Raises:
            ParseError: no or several package names, or a name that is declared twice.
        """
        files = list(files)
        named = [file for file in files if file.package is not None]
        own: PackageSource | None = None
        for file in named:
            assert file.package is not None, "only files with a package were kept"
            if own is not None and own.name != file.package and own.name.text != file.package.text:
                reason = f"this folder is already the package {own.name.text}"
                fail(file, reason, Name(file.package.text, file.package.offset))
            own = own or self._package(file, file.package)
            if file.attributes.docs:
                own.docs.append(file.attributes.docs)
        blocks: list[PackageSource] = []
        for file in files:
            for item in file.items:
                if isinstance(item, PackageNode):
                    blocks.append(self._add_block(file, item))
                elif own is None:
                    fail(file, "expected `package namespace:name;` before everything", _first(item))
            if own is not None:
                items = (item for item in file.items if not isinstance(item, PackageNode))
                self._add_items(Part(file, own), items)
        main = own or (blocks[-1] if blocks else None)
        if main is None:
            file = files[0] if files else FileNode()
            raise parse_error("expected a package, the text is empty", file.text, 0, file=file.file)
        return main

    def find(self, path: PathNode, part: Part) -> Declaration:
        """Return what a path names.

        Raises:
            ParseError: unknown package, interface or world.
        """
        if path.package is None:
            used = part.uses.get(path.name.text)
            if used is not None and used.path is not path:
                return self._find_used(used, part)
            return self._member(part.package, path.name, part)
        package = self._find_package(path.package, part)
        if package is not part.package:
            place = Name(path.package.text, path.package.offset)
            part.package.depends.setdefault(package.name.text, (part.file, place))
        return self._member(package, path.name, part)

    def _find_used(self, used: FileUseNode, part: Part) -> Declaration:
        # A file-level `use` sees packages and its own package, not the other uses of the file.
        if used.path.package is None:
            return self._member(part.package, used.path.name, part)
        return self.find(used.path, part)

    def _member(self, package: PackageSource, name: Name, part: Part) -> Declaration:
        found = package.declarations.get(name.text)
        if found is None:
            known = [*package.declarations, *(part.uses if package is part.package else ())]
            reason = unknown_name(f"interface or world of {package.name.text}", name.text, known)
            fail(part.file, reason, name)
        return found

    def _find_package(self, name: PackageName, part: Part) -> PackageSource:
        exact = self.packages.get(name.text)
        place = Name(name.text, name.offset)
        others = [
            source
            for source in self.packages.values()
            if source.name.unversioned == name.unversioned and source.name.version
        ]
        if name.version:
            wanted = _version(name.version, part.file, place)
            compatible = [
                source
                for source in others
                if is_compatible(Version(source.name.version or ""), wanted)
            ]
            if compatible and (exact is None or self._unify):
                return max(compatible, key=lambda source: Version(source.name.version or ""))
        if exact is not None:
            return exact
        if others:
            versions = ", ".join(source.name.text for source in others)
            fail(part.file, f"no package {name.text} here, only {versions}", place)
        fail(part.file, unknown_name("package", name.text, self.packages), place)

    def _package(self, file: FileNode, name: PackageName) -> PackageSource:
        place = Name(name.text, name.offset)
        if name.version is not None:
            _version(name.version, file, place)
        if name.text in self.packages:
            fail(file, f"the package {name.text} is declared twice", place)
        source = self.packages[name.text] = PackageSource(name)
        return source

    def _add_block(self, file: FileNode, block: PackageNode) -> PackageSource:
        source = self._package(file, block.name)
        if block.attributes.docs:
            source.docs.append(block.attributes.docs)
        for item in block.items:
            if isinstance(item, PackageNode):
                reason = "packages do not nest inside each other"
                fail(file, reason, Name(item.name.text, item.name.offset))
        self._add_items(Part(file, source), block.items)
        return source

    def _add_items(self, part: Part, items: Iterable[Item]) -> None:
        declared = part.package.declarations
        for item in items:
            match item:
                case InterfaceNode(name) | WorldNode(name):
                    if name.text in declared:
                        fail(part.file, f"{name.text} is declared twice", name)
                    declared[name.text] = Declaration(item, part)
                case FileUseNode(path, alias):
                    name = alias or path.name
                    if name.text in part.uses:
                        fail(part.file, f"{name.text} is used twice", name)
                    part.uses[name.text] = item
                case PackageNode():
                    pass
        for taken, used in part.uses.items():
            if taken in declared:
                place = used.alias or used.path.name
                reason = f"{taken} is declared in this package: give the other one a name by `as`"
                fail(part.file, reason, place)


def _first(item: Item) -> Name:
    match item:
        case InterfaceNode() | WorldNode():
            attributes: Attributes = item.attributes
            return Name(item.name.text, attributes.offset)
        case FileUseNode(path):
            return path.name
        case PackageNode(name):
            return Name(name.text, name.offset)


def _version(text: str, file: FileNode, place: Name) -> Version:
    try:
        return Version(text)
    except ValueError as error:
        fail(file, str(error), place)
