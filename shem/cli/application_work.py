"""What the commands of `shem app` do. Imported when one of them runs."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer
from rich.console import Console
from typer.core import TyperCommand

from shem.build.builder import Builder
from shem.build.commands import run_command
from shem.build.fingerprints import Fingerprints
from shem.build.made import made_by, made_from
from shem.build.steps import Done, Step
from shem.build.toolchains import Tool, tools_of
from shem.cli.application_opened import Opened, reporting, selected, with_composed
from shem.cli.build_progress import running_steps, tell_step
from shem.cli.output import FAILED, Format, Output, table
from shem.errors import BuildError, ManifestError
from shem.manifest.application import Application, load
from shem.manifest.discovery import FILE_NAME, find_manifest
from shem.manifest.schema import json_schema
from shem.scaffold import add_component, make_app

__all__ = [
    "build",
    "clean",
    "custom_command",
    "diagnose",
    "new",
    "new_component",
    "print_schema",
    "show",
]


def build(
    work: Opened,
    names: Sequence[str],
    *,
    steps: Sequence[Step] = tuple(Step),
    force: bool = False,
    quiet: bool = False,
) -> None:
    """Build, and tell each step as it ends; with `quiet` the document is left to what follows."""
    output = work.output
    done: list[Done] = []

    def on_done(step: Done) -> None:
        done.append(step)
        tell_step(output, step)

    with reporting(output):
        chosen = with_composed(work.app, selected(work, names))
        with running_steps(output) as running:
            builder = Builder(work.app, force=force, on_done=on_done, running=running)
            asyncio.run(builder.build(chosen, steps))
    if not quiet:
        ran = sum(each.ran for each in done)
        text = f"built {len(chosen)} components: {ran} steps run, {len(done) - ran} up to date"
        output.done(text, {"steps": done})


def clean(work: Opened, names: Sequence[str]) -> None:
    """Remove generated WIT, components and what the manifest lists under `clean`."""
    with reporting(work.output):
        removed = [path for component in selected(work, names) for path in made_by(component)]
        if not names:
            removed += [*_left_behind(work.app), work.app.temp_dir, *work.app.clean]
        removed = [each for each in dict.fromkeys(removed) if _remove(each, work.app.root)]
        gone = [os.path.normpath(each) for each in removed]
    lines = "\n".join(f"removed {each}" for each in gone)
    work.output.done(lines or "nothing to remove", {"removed": gone})


def diagnose(work: Opened) -> None:
    """Tell which tools are there; status 1 if one is missing."""
    tools = tools_of(work.app)

    def text(console: Console) -> None:
        shown = table("TOOL", "STATUS", "NEEDED BY", "HOW TO GET IT")
        for tool in tools:
            status = f"[green]{tool.path}[/]" if tool.path else "[red]missing[/]"
            how = "" if tool.path else tool.how
            shown.add_row(tool.name, status, ", ".join(tool.needed_by), how)
        console.print(shown)

    work.output.document([_tool(each) for each in tools], text)
    if any(each.path is None for each in tools):
        raise typer.Exit(FAILED)


def new(output: Output, name: str, language: str | None, template: str) -> None:
    """Make a folder with a manifest and a first component."""
    with reporting(output):
        made = make_app(Path.cwd() / name, name, language or "python", template)
    lines = [f"made {name}/ with {len(made)} files", f"next: cd {name} && shem app deploy"]
    output.done("\n".join(lines), {"folder": name, "files": [str(each) for each in made]})


def new_component(output: Output, language: str, name: str, template: str) -> None:
    """Add a component to the app of this folder."""
    with reporting(output):
        manifest = find_manifest(Path.cwd())
        made = add_component(manifest.parent, language, name, template)
    lines = [f"made {each}" for each in made]
    output.done("\n".join(lines), {"component": name, "files": [str(each) for each in made]})
    parts = [str(each) for each in made if each.suffix == ".yaml"]
    # What else is wrong with the manifest is told when something is done with it.
    with contextlib.suppress(ManifestError):
        if not {(manifest.parent / each).resolve() for each in parts} <= _read_by(manifest):
            output.note(f"{manifest.name} has to name them in `includes`: {', '.join(parts)}")


def _read_by(manifest: Path) -> set[Path]:
    """Return the files that a manifest consists of."""
    return {each.resolve() for each in load(manifest).files}


def show(work: Opened) -> None:
    """Show components, what they depend on, and the custom commands."""
    app = work.app
    document = {
        "manifests": [str(each) for each in app.files],
        "build-profiles": list(app.build_profiles),
        "components": [
            {
                "name": each.name,
                "folder": str(each.folder),
                "type": each.properties.component_type or "durable",
                "dependencies": msgspec.to_builtins(each.dependencies),
            }
            for each in app.components.values()
        ],
        "custom-commands": list(app.custom_commands),
    }

    def text(console: Console) -> None:
        shown = table("COMPONENT", "TYPE", "DEPENDS ON", "FOLDER")
        for each in app.components.values():
            needs = (f"{d.target or d.path or d.url} ({d.type})" for d in each.dependencies)
            kind = each.properties.component_type or "durable"
            shown.add_row(each.name, kind, ", ".join(needs), str(each.folder))
        console.print(shown)
        if app.custom_commands:
            console.print(f"custom commands: {', '.join(app.custom_commands)}", markup=False)

    work.output.document(document, text)


def print_schema() -> None:
    """Print the JSON Schema."""
    schema = msgspec.json.format(msgspec.json.encode(json_schema()), indent=2)
    sys.stdout.write(schema.decode() + "\n")


def custom_command(name: str) -> TyperCommand | None:
    """Return the command that the manifest of this folder gives a name, None if there is none."""
    try:
        app = load(find_manifest(Path.cwd()))
    except (ManifestError, OSError):
        return None
    command = app.custom_commands.get(name)
    found = [(command.folder, command.commands)] if command is not None else []
    found += [
        (each.folder, each.properties.custom_commands[name])
        for each in app.components.values()
        if name in each.properties.custom_commands
    ]
    if not found:
        return None

    def run() -> None:
        with reporting(Output(Format.TEXT)):
            for folder, commands in found:
                for each in commands:
                    asyncio.run(run_command(each, folder, inherit=True))

    return TyperCommand(name, callback=run, help=f"A command of {FILE_NAME}.")


def _left_behind(app: Application) -> list[Path]:
    """Return what components have built that the manifest names no longer, unless it is needed."""
    needed = {path.resolve() for each in app.components.values() for path in made_from(each)}
    needed |= {parent for path in needed for parent in path.parents}
    root = app.root.resolve()
    noted = Fingerprints(app.temp_dir).made()
    made = [
        root / path for name, paths in noted.items() if name not in app.components for path in paths
    ]
    return [
        each for each in made if each.resolve() not in needed and root in each.resolve().parents
    ]


def _remove(path: Path, root: Path) -> bool:
    resolved = path.resolve()
    if root.resolve() not in resolved.parents:
        raise BuildError(f"{path} is outside of the app: nothing is removed there")
    if resolved.is_dir():
        shutil.rmtree(resolved)
    elif resolved.exists():
        resolved.unlink()
    else:
        return False
    return True


def _tool(tool: Tool) -> dict[str, Any]:
    return {"tool": tool.name, "path": tool.path, "needed-by": tool.needed_by, "how": tool.how}
