"""Plugins that are installed in an app: what changes components between their build and upload.

    plugins/NAME/plugin.yaml     what a plugin is, as Golem's plugin manifests say it
    plugins/NAME/…               what it consists of

They lie in the app's folder, and so in its version control: a build asks nobody for them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from shem.errors import ManifestError
from shem.manifest.checking import checked
from shem.manifest.schema import Fields
from shem.manifest.source import Document, read_documents
from shem.problems import Problem

__all__ = [
    "FOLDER",
    "PLUGIN_FILE",
    "InstalledPlugin",
    "PluginManifest",
    "PluginSpecs",
    "installed_plugins",
    "read_plugin",
]

FOLDER: Final = "plugins"
PLUGIN_FILE: Final = "plugin.yaml"
PLUGINS_MAX: Final = 100


class PluginSpecs(Fields, frozen=True, kw_only=True):
    """What a plugin does, by its type.

    `Library`: exports of `component` become what the user's component imports. `App`: exports of
    the user's component become what `component` imports, whose exports are those of both.
    `ComponentTransformer`: `transform_url` answers a component with another one, or `command` makes
    the file `{{ output }}` of the file `{{ input }}`.
    """

    type: Literal["ComponentTransformer", "Library", "App"]
    component: str | None = None
    transform_url: str | None = None
    command: str | None = None


class PluginManifest(Fields, frozen=True, kw_only=True):
    """The fields of a plugin's manifest; `icon` is a path beside it."""

    name: str
    version: str
    description: str = ""
    icon: str | None = None
    homepage: str = ""
    specs: PluginSpecs


class InstalledPlugin(Struct, frozen=True):
    """A plugin with the folder that it lies in."""

    folder: Path
    manifest: PluginManifest

    @property
    def component(self) -> Path | None:
        """The component that it consists of, if it does."""
        name = self.manifest.specs.component
        return None if name is None else self.folder / name


def read_plugin(file: Path) -> PluginManifest:
    """Return the manifest of a plugin.

    Raises:
        ManifestError: with all problems that could be found, each with its place.
    """
    documents = list(read_documents(file))
    if len(documents) != 1:
        message = f"expected one document, there are {len(documents)}"
        raise ManifestError([Problem(file=str(file), message=message)])
    (document,) = documents
    manifest = checked(document, PluginManifest)
    problems = _problems(document, manifest.specs)
    if problems:
        raise ManifestError(problems)
    return manifest


def installed_plugins(root: Path) -> Mapping[str, InstalledPlugin]:
    """Return the plugins of the app in a folder, by name.

    Raises:
        ManifestError: as in `read_plugin`, and where a folder has another name than its plugin.
    """
    found: dict[str, InstalledPlugin] = {}
    files = sorted(root.glob(f"{FOLDER}/*/{PLUGIN_FILE}"))
    if len(files) > PLUGINS_MAX:
        message = f"more than {PLUGINS_MAX} plugins"
        raise ManifestError([Problem(file=str(root / FOLDER), message=message)])
    for file in files:
        plugin = InstalledPlugin(file.parent, read_plugin(file))
        name = plugin.manifest.name
        if name != file.parent.name:
            (document,) = read_documents(file)
            message = f'the folder of plugin "{name}" is called "{file.parent.name}"'
            raise ManifestError([document.problem(("name",), message)])
        found[name] = plugin
    return found


def _problems(document: Document, specs: PluginSpecs) -> list[Problem]:
    given = {
        name
        for name, value in (
            ("component", specs.component),
            ("transformUrl", specs.transform_url),
            ("command", specs.command),
        )
        if value is not None
    }
    if specs.type == "ComponentTransformer":
        if given in ({"transformUrl"}, {"command"}):
            return []
        message = "a ComponentTransformer needs one of transformUrl and command, and nothing else"
    elif given == {"component"}:
        return []
    else:
        message = f'{specs.type} needs the field "component", and no other beside "type"'
    return [document.problem(("specs",), message)]
