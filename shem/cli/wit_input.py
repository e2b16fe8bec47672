"""What the commands of `shem wit` read: WIT files and folders, components, from disk or stdin."""

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, assert_never

import typer
from msgspec import Struct

from shem.cli.output import Format, Output
from shem.cli.session import FAILED
from wit.binary import Kind, kind_of
from wit.binary import parse as parse_component
from wit.component import describe
from wit.embedded import EmbeddedWorld, decode_packages, embedded_world, is_wit_package
from wit.errors import (
    BinaryError,
    ParseError,
    UnknownFunctionError,
    ValueMismatchError,
    WitError,
)
from wit.text.folder import read_folder
from wit.text.from_packages import packages_file
from wit.text.model import Packages
from wit.text.nodes import FileNode, PackageName
from wit.text.parser import parse
from wit.text.resolver import ALL_FEATURES, resolve
from wit.world import World

__all__ = [
    "Input",
    "NamedWorld",
    "enabled",
    "fail",
    "read",
    "reporting",
    "text_of",
    "world_of",
]

STDIN: Final = Path("-")


class Input(Struct, frozen=True):
    """What a path holds: a component, a core module with a world, or packages.

    Packages come as the files that were read and as what they resolve to.
    """

    path: Path
    component: bytes | None = None
    embedded: EmbeddedWorld | None = None
    folders: Sequence[Sequence[FileNode]] = ()
    packages: Packages | None = None


class NamedWorld(Struct, frozen=True):
    """A world with its name and its package; a component does not know either."""

    world: World
    name: str
    package: PackageName


def read(path: Path, features: Sequence[str] | None = None) -> Input:
    """Return what a path holds.

    Raises:
        typer.BadParameter: there is nothing at the path.
        WitError: the text or the bytes are wrong.
        OSError: a file that cannot be read.
    """
    if path != STDIN and not path.exists():
        raise typer.BadParameter(
            f"{path} does not exist: expected WIT, a component, a core module, or - for stdin"
        )
    if path.is_dir():
        return _resolved(path, read_folder(path), features)
    data = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    kind = kind_of(data)
    match kind:
        case Kind.COMPONENT:
            return _component(path, data)
        case Kind.CORE_MODULE:
            found = embedded_world(data)
            if found is None:
                raise BinaryError(
                    f"{path} is a core module without a world in it: expected a component, "
                    "or WIT text",
                    offset=4,
                )
            return Input(path, embedded=found)
        case Kind.UNKNOWN:
            return _resolved(path, [[parse(_decoded(data, path), _name(path))]], features)
        case _:
            assert_never(kind)


def enabled(features: Sequence[str]) -> frozenset[str]:
    """Return the features that were named, all of them for a star."""
    return ALL_FEATURES if "*" in features else frozenset(features)


def text_of(value: str) -> str:
    """Return an argument, or what comes from stdin if it is a dash."""
    return sys.stdin.read() if value == str(STDIN) else value


def world_of(source: Input, name: str | None) -> NamedWorld:
    """Return the world that is meant.

    A package without worlds stands for one that exports all of its interfaces.

    Raises:
        WitError: there are several and none is named, or there is none of that name.
    """
    if source.component is not None:
        return _of_component(source, name)
    if source.embedded is not None:
        inside = source.embedded
        return NamedWorld(inside.world, name or inside.name, inside.package)
    packages = source.packages
    assert packages is not None, "what is no component was resolved"
    main = packages.packages[packages.main]
    if name is not None or main.worlds:
        found = packages.world(name or "")
        if found is not None:
            full = next((short for short, each in main.worlds.items() if each is found), "")
            return NamedWorld(
                found, full or (name or "").partition("@")[0].rpartition("/")[2], main.name
            )
        listed = ", ".join(main.worlds) or "none"
        if name is None:
            raise WitError(f"{source.path}: several worlds, name one by --world: {listed}")
        raise WitError(f"{source.path}: no world {name} in {packages.main}, there are: {listed}")
    world = World(export_interfaces=tuple(main.interfaces.values()))
    return NamedWorld(world, main.name.name, main.name)


@contextmanager
def reporting(output: Output) -> Generator[None]:
    """Tell errors of what is read and leave with status 1."""
    try:
        yield
    except WitError as error:
        fail(output, [error])
        raise typer.Exit(FAILED) from error
    except OSError as error:
        fail(output, [WitError(f"{error.filename}: {error.strerror}")])
        raise typer.Exit(FAILED) from error


def fail(output: Output, errors: Sequence[WitError]) -> None:
    """Tell errors: to people on stderr, to programs as the document on stdout."""
    for error in errors:
        output.messages.print(f"[bold red]error[/] ({_kind(error)}):", end=" ")
        output.messages.print(str(error), markup=False)
    first = errors[0]
    problems = [_problem(error) for error in errors]
    body = {"kind": _kind(first), "message": str(first), "problems": problems}
    if output.format is not Format.TEXT:
        output.document({"error": body}, lambda _: None)


def _problem(error: WitError) -> dict[str, object]:
    match error:
        case ParseError():
            place: dict[str, object] = {"line": error.line, "column": error.column}
            file = {"file": error.file} if error.file else {}
            return {"kind": _kind(error), "message": error.reason, **file, **place}
        case BinaryError():
            return {"kind": _kind(error), "message": str(error), "offset": error.offset}
        case ValueMismatchError():
            return {"kind": _kind(error), "message": str(error), "path": error.path}
        case UnknownFunctionError():
            candidates = list(error.candidates)
            return {"kind": _kind(error), "message": str(error), "candidates": candidates}
        case _:
            return {"kind": _kind(error), "message": str(error)}


def _kind(error: WitError) -> str:
    match error:
        case ParseError():
            return "bad-text"
        case BinaryError():
            return "bad-component"
        case ValueMismatchError():
            return "bad-value"
        case UnknownFunctionError():
            return "unknown-function"
        case _:
            return "bad-input"


def _component(path: Path, data: bytes) -> Input:
    if not is_wit_package(parse_component(data)):
        return Input(path, component=data)
    packages = decode_packages(data)
    order = sorted(packages.packages, key=lambda name: name == packages.main)
    views = (Packages(packages.packages, name) for name in order)
    folders = [[packages_file(each, dependencies=False)] for each in views]
    return Input(path, folders=folders, packages=packages)


def _of_component(source: Input, name: str | None) -> NamedWorld:
    assert source.component is not None, "the caller looked"
    world = describe(source.component)
    # The package of the first exported interface is most likely the one of the world, too.
    full = (each.name for each in world.export_interfaces if "/" in each.name)
    head, _, version = next(full, "root:component/x").partition("@")
    namespace, _, package = head.rpartition("/")[0].partition(":")
    return NamedWorld(world, name or package, PackageName(namespace, package, version or None))


def _resolved(
    path: Path, folders: Sequence[Sequence[FileNode]], features: Sequence[str] | None
) -> Input:
    packages = resolve(folders, features=enabled(features or ()))
    return Input(path, folders=folders, packages=packages)


def _decoded(data: bytes, path: Path) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise WitError(
            f"{path}: neither a component nor WIT: no UTF-8 text at byte {error.start}"
        ) from error


def _name(path: Path) -> str:
    return "<stdin>" if path == STDIN else str(path)
