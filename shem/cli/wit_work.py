"""What the commands of `shem wit` do. Imported when one of them runs: no other command needs it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

import typer
from rich.console import Console
from rich.markup import escape

from shem.cli.output import Output
from shem.cli.session import FAILED
from shem.cli.wit_input import Input, NamedWorld, enabled, fail, read, reporting, world_of
from wit.binary import parse as parse_component
from wit.binary.custom import component_name, producers
from wit.binary.sections import Contents, contents
from wit.client import client_text
from wit.compat import Change, Report, Verdict, compat
from wit.embedded import documentation
from wit.errors import ParseError
from wit.signatures import export_signatures
from wit.text.folder import check as problems
from wit.text.from_packages import annotated
from wit.text.from_world import world_file, world_text
from wit.text.joined import joined
from wit.text.nodes import PackageName
from wit.text.printer import print_file
from wit.world import World

__all__ = ["check", "client", "compare", "print_"]


def check(output: Output, path: Path, features: Sequence[str]) -> None:
    """Print what is at a path, or all that is wrong with it."""
    with reporting(output):
        try:
            source = read(path, features)
        except ParseError as first:
            # The file is not read twice if it was stdin: then the first error has to do.
            found = problems(path, features=enabled(features)) if path.exists() else []
            fail(output, found or [first])
            raise typer.Exit(FAILED) from first
        summary = _summary(source)
    output.document(summary, lambda console: _show_summary(console, summary))


def print_(
    output: Output, path: Path, features: Sequence[str], *, world: str | None, dependencies: bool
) -> None:
    """Print WIT as one text."""
    with reporting(output):
        source = read(path, features)
        if source.packages is not None and world is None:
            printed = print_file(joined(source.folders, dependencies=dependencies))
        else:
            printed = _world_text(source, world_of(source, world))
    output.document({"wit": printed}, lambda console: _write(console, printed))


def compare(
    output: Output,
    old: Path,
    new: Path,
    features: Sequence[str],
    *,
    world: str | None,
    refused: Sequence[str],
) -> None:
    """Print a report of changes; status 1 if the verdict is one of `refused`."""
    with reporting(output):
        before, after = (world_of(read(path, features), world).world for path in (old, new))
    report = compat(before, after)
    document = {
        "verdict": report.verdict.value,
        "bump": report.bump.value,
        "changes": [_change(change) for change in report.changes],
    }
    output.document(document, lambda console: _show_report(console, report))
    if report.verdict.value in refused:
        raise typer.Exit(FAILED)


def client(
    output: Output,
    path: Path,
    features: Sequence[str],
    *,
    world: str | None,
    package: str | None,
    ephemeral: bool,
) -> None:
    """Print the client package of a world."""
    target = None if package is None else _package_name(package)
    with reporting(output):
        named = world_of(read(path, features), world)
        owner = target or named.package
        printed = client_text(named.world, named.name, owner, ephemeral=ephemeral)
    document = {"package": f"{owner.unversioned}-client", "world": named.name, "wit": printed}
    output.document(document, lambda console: _write(console, printed))


Summary: TypeAlias = dict[str, str | int | Sequence[str | dict[str, str | int]]]

_COLORS: Final = {
    Verdict.COMPATIBLE: "green",
    Verdict.MESSAGES: "yellow",
    Verdict.BREAKING: "red",
}


def _summary(source: Input) -> Summary:
    if source.component is not None:
        return _component_summary(source, source.component)
    if source.embedded is not None:
        found = source.embedded
        return {
            "package": found.package.text,
            "world": found.name,
            "string-encoding": found.string_encoding.value,
            "exports": list(export_signatures(found.world)),
            "imports": _imports(found.world),
        }
    packages = source.packages
    assert packages is not None, "what is no binary was resolved"
    main = packages.packages[packages.main]
    return {
        "package": packages.main,
        "interfaces": list(main.interfaces),
        "worlds": list(main.worlds),
        "dependencies": [name for name in packages.packages if name != packages.main],
    }


def _component_summary(source: Input, data: bytes) -> Summary:
    world = world_of(source, None).world
    component = parse_component(data)
    tools = [f"{each.name} {each.version}".strip() for each in producers(data, component)]
    name = component_name(data, component)
    return {
        **({} if name is None else {"name": name}),
        "size": len(data),
        "exports": list(export_signatures(world)),
        "imports": _imports(world),
        "producers": tools,
        **_parts(contents(data, component)),
    }


def _parts(inside: Contents) -> Summary:
    """Return sizes in bytes of what a component consists of, itself without what it nests."""
    modules: list[str | dict[str, str | int]] = [
        {"name": each.name, "size": each.size, "code": each.code_size, "data": each.data_size}
        for each in inside.modules
    ]
    components: list[str | dict[str, str | int]] = [
        {"size": each.size, "modules": len(each.modules)} for each in inside.components
    ]
    sections: list[str | dict[str, str | int]] = [
        {"name": each.name, "size": each.size} for each in inside.custom
    ]
    return {"modules": modules, "components": components, "sections": sections}


def _imports(world: World) -> list[str]:
    names = [interface.name for interface in world.import_interfaces]
    return names + [function.name for function in world.import_functions]


def _world_text(source: Input, named: NamedWorld) -> str:
    # A world in a package of its own can name all others, whatever they are called.
    if source.component is None:
        return world_text(named.world, named.name)
    docs = documentation(source.component, parse_component(source.component))
    notes = {each.package or named.package.text: each.notes for each in docs}
    return print_file(annotated(world_file(named.world), notes))


def _show_summary(console: Console, summary: Summary) -> None:
    for name, value in summary.items():
        if isinstance(value, list):
            console.print(f"{name}:" + ("" if value else " none"), style="bold")
            for each in value:
                console.print(f"  {_shown(each)}", markup=False)
        else:
            console.print(f"[bold]{name}:[/] {escape(str(value))}")


def _shown(part: str | dict[str, str | int]) -> str:
    if isinstance(part, str):
        return part
    return ", ".join(str(v) if k == "name" else f"{k} {v}" for k, v in part.items() if v != "")


def _write(console: Console, text: str) -> None:
    console.print(text, end="", markup=False)


def _change(change: Change) -> dict[str, str]:
    return {"place": change.place, "verdict": change.verdict.value, "reason": change.reason}


def _show_report(console: Console, report: Report) -> None:
    width = max((len(change.verdict.value) for change in report.changes), default=0)
    for change in report.changes:
        verdict = f"[{_COLORS[change.verdict]}]{change.verdict.value:<{width}}[/]"
        console.print(f"{verdict}  {escape(change.place)}: {escape(change.reason)}")
    console.print(f"{report.verdict.value}: the next version is a {report.bump.value} one")


def _package_name(text: str) -> PackageName:
    head, _, version = text.partition("@")
    namespace, colon, name = head.partition(":")
    if not (namespace and colon and name):
        raise typer.BadParameter(f"--package {text!r}: expected NAMESPACE:NAME or with @VERSION")
    return PackageName(namespace, name, version or None)
