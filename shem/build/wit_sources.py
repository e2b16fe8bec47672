"""The WIT that a component is built from: its own, with what its dependencies add.

For each dependency of type `wasm-rpc` the client interface of the target is generated, its package
put under `deps/`, and an import of it added to the component's world. Targets are read from their
source WIT, so nothing has to be built before. Packages that Shem itself serves, such as
`wasi:http`, are added where they are spoken of.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final, final

from msgspec import Struct
from msgspec.structs import replace

from shem.build.served import served_packages
from shem.build.wit_conflicts import conflict, definitions_of
from shem.errors import BuildError
from shem.manifest.application import AppComponent, Application
from wit.client import client_file
from wit.errors import WitError
from wit.text.folder import read_folder
from wit.text.nodes import (
    ExternNode,
    FileNode,
    InterfaceNode,
    Item,
    PackageName,
    PackageNode,
    PathNode,
    UseNode,
    WorldNode,
)
from wit.text.nodes import Name as NameNode
from wit.text.parser import parse
from wit.text.printer import print_file
from wit.text.resolver import resolve

__all__ = [
    "Client",
    "client_of",
    "clients_of",
    "generated_files",
    "standard_packages",
    "write_files",
]

_VERSION: Final = "0.2.0"
# What every generated client refers to, and which interface of it.
_CLIENT_NEEDS: Final = {
    "wasi:io": "poll",
    "wasi:clocks": "wall-clock",
    "golem:rpc": "types",
}
# Of the last one so much: toolchains make glue for all that is imported, and not all know it all.
_CLIENT_TYPES: Final = frozenset({"uuid", "component-id", "worker-id", "cancellation-token"})
_TIMERS: Final = "wasi:clocks/monotonic-clock"
_RPC: Final = f"golem:rpc@{_VERSION}"
_RPC_TYPES: Final = ("wasm-rpc", "static-wasm-rpc")


class Client(Struct, frozen=True, kw_only=True):
    """The client interface with which other components call workers of `component`."""

    component: str
    interface: str
    file: FileNode
    packages: Sequence[Sequence[FileNode]]


def client_of(component: AppComponent) -> Client:
    """Return the client of a component, by its source WIT.

    Raises:
        BuildError: it has no WIT, or one that cannot be understood; with the place.
    """
    folder = _source(component)
    try:
        packages = read_folder(folder)
        resolved = resolve(packages)
        main = resolved.packages[resolved.main]
        world = resolved.world()
        if world is None:
            listed = ", ".join(main.worlds) or "none"
            raise BuildError(
                f"{folder}: expected one world in {main.name.text}, there are: {listed}"
            )
        (name,) = main.worlds
        file = client_file(
            world, name, main.name, ephemeral=component.properties.component_type == "ephemeral"
        )
    except WitError as error:
        raise BuildError(f"{component.name}: {folder}: {error}") from error
    assert file.package is not None, "a client is a package"
    interface = file.package.member(f"{name}-client")
    return Client(component=component.name, interface=interface, file=file, packages=packages)


def clients_of(component: AppComponent, app: Application) -> list[Client]:
    """Return the clients of everything that a component calls by RPC.

    Raises:
        BuildError: as in `client_of`.
    """
    targets = [each.target for each in component.dependencies if each.type in _RPC_TYPES]
    return [client_of(app.components[target]) for target in dict.fromkeys(targets) if target]


def generated_files(component: AppComponent, app: Application) -> dict[str, str]:
    """Return the WIT folder to build a component from: text by path.

    Raises:
        BuildError: WIT that is missing or wrong, with the place.
    """
    folder = _source(component)
    clients = clients_of(component, app)
    try:
        packages = read_folder(folder)
        assembly = _Assembly()
        imports = [client.interface for client in clients]
        if clients and component.properties.generated_python is not None:
            # Typed clients in Python wait with time-outs.
            imports.append(f"{_TIMERS}@{_VERSION}")
        assembly.add_main(packages[-1], imports, folder=folder)
        for files in packages[:-1]:
            assembly.add_dependency(files, folder=folder)
        for extra in app.wit_deps:
            for package in _packages_in(extra):
                assembly.add_dependency(package, folder=extra)
        speaks_of_rpc = any("golem:rpc/" in each for each in assembly.files.values())
        for client in clients:
            for package in client.packages:
                assembly.add_dependency(package, folder=client.component)
            assembly.add_dependency([client.file], folder=client.component)
        for file in standard_packages() if clients and not speaks_of_rpc else ():
            if _names([file]) == {_RPC}:
                assembly.add_dependency([file], folder="Shem")
        assembly.add_served()
        assembly.check()
    except WitError as error:
        raise BuildError(f"{folder}: {error}") from error
    return assembly.files


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Make a folder hold these files and no other WIT; what is equal is not touched."""
    if folder.is_dir():
        for old in list(folder.rglob("*.wit")):
            if old.relative_to(folder).as_posix() not in files:
                old.unlink()
                # A package without files is an error to those who read the folder.
                if not any(old.parent.iterdir()):
                    old.parent.rmdir()
    for name, text in files.items():
        path = folder / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@final
class _Assembly:
    """A WIT folder in the making. The first package of a name and version is the one."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        self._known: set[str] = set()
        self._packages: dict[str, tuple[Sequence[FileNode], str]] = {}
        self._main: Sequence[FileNode] = ()
        self._others: list[Sequence[FileNode]] = []

    def add_main(self, files: Sequence[FileNode], imports: Sequence[str], *, folder: Path) -> None:
        self._known.update(_names(files))
        self._packages |= dict.fromkeys(_names(files), (files, str(folder)))
        self._main = files
        for file in files:
            self.files[Path(file.file).name] = print_file(_with_imports(file, imports))

    def add_dependency(self, files: Sequence[FileNode], *, folder: Path | str) -> None:
        names = _names(files)
        for name in names & self._packages.keys():
            first, place = self._packages[name]
            what = conflict(definitions_of(first), definitions_of(files))
            if what is not None:
                raise BuildError(
                    f"{name} is there twice and differs in {what}: in {place}, and in {folder};"
                    " make them equal, or give one another version"
                )
        if not names or names & self._known:
            return
        self._known |= names
        self._others.append(files)
        self._packages |= dict.fromkeys(names, (files, str(folder)))
        place = _folder_name(min(names))
        for file in files:
            name = Path(file.file).name or "client.wit"
            self.files[f"deps/{place}/{name}"] = file.text or print_file(file)

    def add_served(self) -> None:
        """Add what is spoken of, is nowhere in the app, and is served by Shem."""
        for name, file in served_packages(self.files.values(), self._known).items():
            self._known.add(name)
            self._others.append([file])
            self.files[f"deps/{_folder_name(name)}/package.wit"] = print_file(file)

    def check(self) -> None:
        """Look every name up, as long as places are those of the files that somebody wrote.

        Raises:
            WitError: one means nothing.
        """
        resolve([*self._others, self._main])


def _source(component: AppComponent) -> Path:
    if component.properties.source_wit is None:
        raise BuildError(f'{component.name}: "sourceWit" is missing: where is its WIT?')
    folder = component.path(component.properties.source_wit)
    if not folder.exists():
        raise BuildError(f"{component.name}: there is no WIT at {folder}")
    return folder


def _packages_in(folder: Path) -> Iterator[Sequence[FileNode]]:
    """Yield the packages of a folder of dependencies: one a subfolder or file."""
    if not folder.is_dir():
        raise BuildError(f"witDeps: there is no folder {folder}")
    for each in sorted(folder.iterdir()):
        if each.is_dir() or each.suffix == ".wit":
            yield from read_folder(each)


def _with_imports(file: FileNode, interfaces: Sequence[str]) -> FileNode:
    imports = tuple(ExternNode("import", None, _path(each)) for each in interfaces)
    items = tuple(
        replace(item, items=(*imports, *item.items)) if isinstance(item, WorldNode) else item
        for item in file.items
    )
    return replace(file, items=items)


def _path(interface: str) -> PathNode:
    package, _, rest = interface.partition("/")
    namespace, _, name = package.partition(":")
    member, _, version = rest.partition("@")
    return PathNode(NameNode(member), PackageName(namespace, name, version or None))


def _names(files: Sequence[FileNode]) -> set[str]:
    return {file.package.text for file in files if file.package is not None}


def _folder_name(package: str) -> str:
    return package.replace(":", "_").replace("@", "-")


@cache
def standard_packages() -> tuple[FileNode, ...]:
    """Return what clients refer to, cut down to the interfaces that they need."""
    found: list[FileNode] = []
    for place in sorted(resources.files("wit").joinpath("packages").iterdir(), key=str):
        for file in sorted(place.iterdir(), key=str):
            if file.name.endswith(".wit"):
                found.extend(_needed(parse(file.read_text(encoding="utf-8"), file.name)))
    return tuple(found)


def _needed(file: FileNode) -> Iterator[FileNode]:
    blocks = [(file.package, file.items)]
    blocks += [(item.name, item.items) for item in file.items if isinstance(item, PackageNode)]
    for package, items in blocks:
        if package is None or package.unversioned not in _CLIENT_NEEDS:
            continue
        wanted = _CLIENT_NEEDS[package.unversioned]
        kept: tuple[Item, ...] = tuple(
            _cut(_at_version(item), package.unversioned)
            for item in items
            if isinstance(item, InterfaceNode) and item.name.text == wanted
        )
        name = package.name + ".wit"
        yield FileNode(replace(package, version=_VERSION), kept, file=name)


def _cut(interface: InterfaceNode, package: str) -> InterfaceNode:
    if package != "golem:rpc":
        return interface
    kept = tuple(
        item
        for item in interface.items
        if not isinstance(item, UseNode) and item.name.text in _CLIENT_TYPES
    )
    return replace(interface, items=kept)


def _at_version(interface: InterfaceNode) -> InterfaceNode:
    """Return the interface with all that it uses at the version that clients name."""

    def changed(use: UseNode) -> UseNode:
        package = use.path.package
        if package is None:
            return use
        return replace(use, path=replace(use.path, package=replace(package, version=_VERSION)))

    items = tuple(changed(item) if isinstance(item, UseNode) else item for item in interface.items)
    return replace(interface, items=items)
