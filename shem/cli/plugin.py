"""`shem plugin`: the plugins that are installed in an app."""

import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from shem.cli.application_opened import reporting
from shem.cli.output import Format, FormatOption, Output, table
from shem.errors import BuildError
from shem.manifest.discovery import find_manifest
from shem.manifest.plugins import (
    FOLDER,
    PLUGIN_FILE,
    InstalledPlugin,
    installed_plugins,
    read_plugin,
)
from wit.misfit import unknown_name

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Plugins of an app: what changes components between their build and upload.",
)


@app.command("list", epilog="Example: `shem plugin list`")
def list_(*, format_: FormatOption = Format.TEXT) -> None:
    """Show the plugins of the app that this folder belongs to."""
    output = Output(format_)
    with reporting(output):
        found = installed_plugins(_root())

    def text(console: Console) -> None:
        shown = table("PLUGIN", "VERSION", "TYPE", "ABOUT")
        for each in found.values():
            about = each.manifest
            shown.add_row(about.name, about.version, about.specs.type, about.description)
        console.print(shown)

    output.document([_document(each) for each in found.values()], text)


@app.command(epilog="Example: `shem plugin install ../plugins/audit`")
def install(
    source: Annotated[
        Path, typer.Argument(help="A plugin's folder, or its plugin.yaml.", exists=True)
    ],
    *,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Copy a plugin into the app, in the place of an older version."""
    output = Output(format_)
    file = source / PLUGIN_FILE if source.is_dir() else source
    with reporting(output):
        plugin = InstalledPlugin(file.parent, read_plugin(file))
        place = _root() / FOLDER / plugin.manifest.name
        _copy(plugin, file, place)
    name = f"{plugin.manifest.name} {plugin.manifest.version}"
    output.done(f"installed {name}", _document(InstalledPlugin(place, plugin.manifest)))


@app.command(epilog="Example: `shem plugin uninstall audit`")
def uninstall(
    name: Annotated[str, typer.Argument(help="Its name.")],
    *,
    format_: FormatOption = Format.TEXT,
) -> None:
    """Remove a plugin from the app."""
    output = Output(format_)
    with reporting(output):
        found = installed_plugins(_root())
        if name not in found:
            raise BuildError(unknown_name("plugin", name, found))
        shutil.rmtree(found[name].folder)
    output.done(f"removed {name}", {"name": name})


def _root() -> Path:
    return find_manifest(Path.cwd()).parent


def _copy(plugin: InstalledPlugin, file: Path, place: Path) -> None:
    """Copy what the manifest names; only a whole plugin ever has the name."""
    new = place.with_name(f".{place.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    shutil.copy(file, new / PLUGIN_FILE)
    manifest = plugin.manifest
    for each in (manifest.specs.component, manifest.icon):
        if each is not None:
            _copy_inside(file.parent, each, new)
    shutil.rmtree(place, ignore_errors=True)
    new.rename(place)


def _copy_inside(source: Path, name: str, target: Path) -> None:
    path, copy = source / name, (target / name).resolve()
    if target.resolve() not in copy.parents:
        raise BuildError(f'"{name}" is outside of the plugin\'s folder')
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}") from error


def _document(plugin: InstalledPlugin) -> dict[str, object]:
    about = plugin.manifest
    return {
        "name": about.name,
        "version": about.version,
        "type": about.specs.type,
        "description": about.description,
        "homepage": about.homepage,
        "folder": str(plugin.folder),
    }
