"""An app: all its components with templates, build profiles and texts worked in."""

import re
from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from os.path import relpath
from pathlib import Path
from typing import Final, Generic, TypeVar, cast, final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shem.errors import ManifestError
from shem.guest import PYTHON_LIBRARIES
from shem.manifest.discovery import read_all
from shem.manifest.plugins import InstalledPlugin, installed_plugins
from shem.manifest.schema import (
    Component,
    Dependency,
    Deployment,
    ExternalCommand,
    HttpApi,
    Manifest,
    Profile,
    Properties,
)
from shem.manifest.source import Document, Step
from shem.manifest.templating import TemplateTextError, render
from shem.problems import Problem
from wit.misfit import unknown_name

__all__ = ["AppComponent", "Application", "load"]

_COMPONENT_NAME: Final = re.compile(r"%?[a-z][a-z0-9-]*:[a-z][a-z0-9-]*")
_TEMP_DIR: Final = "shem-temp"
_INSTALLING: Final = "`shem plugin install FOLDER` installs another one"
Value = TypeVar("Value")
_Path = tuple[Step, ...]


class AppComponent(Struct, frozen=True, kw_only=True):
    """A component of an app. `folder` is that of its manifest: paths are relative to it."""

    name: str
    folder: Path
    properties: Properties
    dependencies: tuple[Dependency, ...] = ()

    def path(self, text: str) -> Path:
        """Return a path of the manifest."""
        return self.folder / text


class AppCommand(Struct, frozen=True, kw_only=True):
    """The commands behind a custom name, with the folder that they run in."""

    folder: Path
    commands: tuple[ExternalCommand, ...]


class Application(Struct, frozen=True, kw_only=True):
    """Everything a manifest says, for one build profile. Components are in order of dependency."""

    root: Path
    temp_dir: Path
    wit_deps: tuple[Path, ...]
    components: Mapping[str, AppComponent]
    custom_commands: Mapping[str, AppCommand]
    clean: tuple[Path, ...]
    http_api: HttpApi
    profiles: Mapping[str, Profile]
    build_profiles: tuple[str, ...]
    plugins: Mapping[str, InstalledPlugin]
    files: tuple[Path, ...]


def load(file: Path, *, build_profile: str | None = None) -> Application:
    """Read an app by its topmost manifest.

    Raises:
        ManifestError: with all problems that could be found, each with its place.
    """
    read = read_all(file)
    plugins = installed_plugins(file.resolve().parent)
    return _Loader(file, read, plugins, build_profile).application()


class _At(Struct, Generic[Value], frozen=True):
    """A value with the document and the place that it stands at."""

    document: Document
    path: _Path
    value: Value


@final
class _Loader:
    """Joins documents. Goes on after a problem, so that all are told."""

    def __init__(
        self,
        file: Path,
        read: list[tuple[Document, Manifest]],
        plugins: Mapping[str, InstalledPlugin],
        build_profile: str | None,
    ) -> None:
        self._file = file
        self._read = read
        self._plugins = plugins
        self._build_profile = build_profile
        self._problems: list[Problem] = []
        self._templates = self._named("templates", lambda each: each.templates)
        self._components = self._named("components", lambda each: each.components)
        self._commands = self._named("customCommands", lambda each: each.custom_commands)
        self._profiles = self._named("profiles", lambda each: each.profiles)
        self._dependencies = self._joined_dependencies()

    def application(self) -> Application:
        root = self._file.resolve().parent
        build_profiles = self._build_profiles()
        components = {
            name: self._component(name, each)
            for name, each in self._components.items()
            if self._is_name(name, each)
        }
        order = self._order(components)
        api = self._http_api()
        self._check_profiles()
        self._raise_problems()
        (temp_dir,) = [each.temp_dir for _, each in self._read if each.temp_dir][:1] or [_TEMP_DIR]
        return Application(
            root=root,
            temp_dir=root / temp_dir,
            wit_deps=tuple(
                document.file.parent / each
                for document, manifest in self._read
                for each in manifest.wit_deps
            ),
            components={name: components[name] for name in order},
            custom_commands={
                name: AppCommand(folder=each.document.file.parent, commands=each.value)
                for name, each in self._commands.items()
            },
            clean=tuple(
                document.file.parent / each
                for document, manifest in self._read
                for each in manifest.clean
            ),
            http_api=api,
            profiles={name: each.value for name, each in self._profiles.items()},
            build_profiles=build_profiles,
            plugins=self._plugins,
            files=tuple({document.file: None for document, _ in self._read}),
        )

    def _named(
        self, field: str, get: Callable[[Manifest], Mapping[str, Value]]
    ) -> dict[str, _At[Value]]:
        found: dict[str, _At[Value]] = {}
        for document, manifest in self._read:
            for name, value in get(manifest).items():
                path = (field, name)
                if name in found:
                    other = found[name].document.file
                    self._note(document, path, f'"{name}" stands in {other} too', at_key=True)
                else:
                    found[name] = _At(document, path, value)
        return found

    def _joined_dependencies(self) -> dict[str, list[_At[Dependency]]]:
        found: dict[str, list[_At[Dependency]]] = {}
        for document, manifest in self._read:
            for name, values in manifest.dependencies.items():
                path = ("dependencies", name)
                if name not in self._components:
                    message = unknown_name("component", name, self._components)
                    self._note(document, path, message, at_key=True)
                for at, value in enumerate(values):
                    each = _At(document, (*path, at), value)
                    self._check_dependency(each)
                    found.setdefault(name, []).append(each)
        return found

    def _check_dependency(self, at: _At[Dependency]) -> None:
        dependency = at.value
        given = [
            name for name in ("target", "path", "url") if getattr(dependency, name) is not None
        ]
        if len(given) != 1:
            self._note(at.document, at.path, "expected one of target, path and url")
        elif dependency.type != "wasm" and given != ["target"]:
            message = f"a dependency of type {dependency.type} needs a target of this app"
            self._note(at.document, at.path, message)
        elif dependency.target is not None and dependency.target not in self._components:
            message = unknown_name("component", dependency.target, self._components)
            self._note(at.document, (*at.path, "target"), message)

    def _is_name(self, name: str, at: _At[Component]) -> bool:
        if _COMPONENT_NAME.fullmatch(name):
            return True
        message = f'expected a name like "demo:counter" for a component, got "{name}"'
        self._note(at.document, at.path, message, at_key=True)
        return False

    def _build_profiles_of_all(self) -> tuple[str, ...]:
        every = [*self._templates.values(), *self._components.values()]
        return tuple(dict.fromkeys(name for each in every for name in each.value.profiles))

    def _build_profiles(self) -> tuple[str, ...]:
        names = self._build_profiles_of_all()
        if self._build_profile is not None and self._build_profile not in names:
            message = unknown_name("build profile", self._build_profile, names)
            self._note(self._read[0][0], (), message)
        return names

    def _component(self, name: str, at: _At[Component]) -> AppComponent:
        component = at.value
        layers: list[_At[Properties]] = []
        if component.template is not None:
            template = self._templates.get(component.template)
            if template is None:
                message = unknown_name("template", component.template, self._templates)
                self._note(at.document, (*at.path, "template"), message)
            else:
                layers.extend(self._layers(template))
        layers.extend(self._layers(at))
        variables = {
            "component_name": name,
            "componentName": name,
            "package_name": name.partition(":")[2],
            "python_libraries": str(PYTHON_LIBRARIES),
            "app_root": relpath(self._file.resolve().parent, at.document.file.resolve().parent),
        }
        properties = Properties()
        for layer in layers:
            self._check_plugins(layer)
            rendered = self._rendered(layer, variables)
            properties = _merged(properties, rendered)
        return AppComponent(
            name=name,
            folder=at.document.file.resolve().parent,
            properties=properties,
            dependencies=tuple(each.value for each in self._dependencies.get(name, [])),
        )

    def _check_plugins(self, at: _At[Properties]) -> None:
        for index, use in enumerate(at.value.plugins):
            plugin = self._plugins.get(use.name)
            path = (*at.path, "plugins", index)
            if plugin is None:
                message = f"{unknown_name('plugin', use.name, self._plugins)}; {_INSTALLING}"
                self._note(at.document, (*path, "name"), message)
            elif plugin.manifest.version != use.version:
                message = (
                    f"{use.name} is installed in version {plugin.manifest.version}; {_INSTALLING}"
                )
                self._note(at.document, (*path, "version"), message)

    def _layers(self, at: _At[Component]) -> Iterable[_At[Properties]]:
        component = at.value
        yield _At(at.document, at.path, component)
        profile = self._build_profile
        if profile not in component.profiles:
            profile = component.default_profile
        if profile is None:
            return
        if profile in component.profiles:
            value = component.profiles[profile]
            yield _At(at.document, (*at.path, "profiles", profile), value)
        else:
            message = unknown_name("build profile", profile, component.profiles)
            self._note(at.document, (*at.path, "defaultProfile"), message)

    def _rendered(self, at: _At[Properties], variables: Mapping[str, str]) -> Properties:
        fields = {
            name: value
            for name, value in msgspec.to_builtins(at.value).items()
            if name not in {"template", "profiles", "defaultProfile"}
        }
        return msgspec.convert(self._render(fields, at, (), variables), Properties)

    def _render(
        self, value: object, at: _At[Properties], path: _Path, variables: Mapping[str, str]
    ) -> object:
        match value:
            case str():
                try:
                    return render(value, variables)
                except TemplateTextError as error:
                    self._note(at.document, (*at.path, *path), str(error))
                    return value
            case dict():
                return {
                    name: self._render(each, at, (*path, name), variables)
                    for name, each in cast("dict[str, object]", value).items()
                }
            case list() | tuple():
                return [
                    self._render(each, at, (*path, index), variables)
                    for index, each in enumerate(cast("list[object]", value))
                ]
            case _:
                return value

    def _order(self, components: Mapping[str, AppComponent]) -> list[str]:
        """Return the components so that what is composed into another stands before it."""
        sorter = TopologicalSorter[str]()
        for name, component in components.items():
            composed = [
                each.target
                for each in component.dependencies
                if each.type == "wasm" and each.target is not None and each.target in components
            ]
            sorter.add(name, *composed)
        try:
            return list(sorter.static_order())
        except CycleError as error:
            cycle = list(reversed(error.args[1]))
            document, path = self._place_of(cycle[0], cycle[1])
            message = f"components are composed in a circle: {' → '.join(cycle)}"
            self._note(document, path, message)
            return list(components)

    def _place_of(self, name: str, target: str) -> tuple[Document, _Path]:
        for each in self._dependencies[name]:
            if each.value.target == target:
                return each.document, each.path
        return self._read[0][0], ()

    def _http_api(self) -> HttpApi:
        joined = HttpApi()
        placed: list[_At[Deployment]] = []
        for document, manifest in self._read:
            api = manifest.http_api or HttpApi()
            for name in api.definitions:
                if name in joined.definitions:
                    path = ("httpApi", "definitions", name)
                    self._note(document, path, f'"{name}" is defined twice', at_key=True)
            deployments = dict(joined.deployments)
            for profile, sites in api.deployments.items():
                deployments[profile] = (*deployments.get(profile, ()), *sites)
                path = ("httpApi", "deployments", profile)
                placed += [_At(document, (*path, at), each) for at, each in enumerate(sites)]
            joined = HttpApi(
                definitions={**joined.definitions, **api.definitions}, deployments=deployments
            )
        for site in placed:
            self._check_site(site, joined.definitions)
        return joined

    def _check_site(self, at: _At[Deployment], definitions: Mapping[str, object]) -> None:
        for index, text in enumerate(at.value.definitions):
            name = text.partition("@")[0]
            if name not in definitions:
                message = unknown_name("HTTP API", name, definitions)
                self._note(at.document, (*at.path, "definitions", index), message)

    def _check_profiles(self) -> None:
        chosen = [each for each in self._profiles.values() if each.value.default]
        for each in chosen[1:]:
            message = f"{chosen[0].path[-1]} is the default already; there can be one"
            self._note(each.document, (*each.path, "default"), message)
        for each in self._profiles.values():
            wanted = each.value.build_profile
            names = self._build_profiles_of_all()
            if wanted is not None and wanted not in names:
                message = unknown_name("build profile", wanted, names)
                self._note(each.document, (*each.path, "buildProfile"), message)

    def _note(self, document: Document, path: _Path, message: str, *, at_key: bool = False) -> None:
        self._problems.append(document.problem(path, message, at_key=at_key))

    def _raise_problems(self) -> None:
        if self._problems:
            raise ManifestError(list(dict.fromkeys(self._problems)))


def _merged(below: Properties, above: Properties) -> Properties:
    """Return `below` with what `above` says: texts and builds replace, the rest is added."""
    return replace(
        below,
        python=above.python or below.python,
        generated_python=above.generated_python or below.generated_python,
        generated_c=above.generated_c or below.generated_c,
        generated_typescript=above.generated_typescript or below.generated_typescript,
        source_wit=above.source_wit or below.source_wit,
        generated_wit=above.generated_wit or below.generated_wit,
        component_wasm=above.component_wasm or below.component_wasm,
        linked_wasm=above.linked_wasm or below.linked_wasm,
        component_type=above.component_type or below.component_type,
        build=below.build if above.build is None else above.build,
        custom_commands={**below.custom_commands, **above.custom_commands},
        clean=(*below.clean, *above.clean),
        files=(*below.files, *above.files),
        plugins=(*below.plugins, *above.plugins),
        env={**below.env, **above.env},
        snapshots=above.snapshots or below.snapshots,
        retry=above.retry or below.retry,
        memory=above.memory or below.memory,
        quota=above.quota or below.quota,
        history=above.history or below.history,
        read_only=tuple(dict.fromkeys((*below.read_only, *above.read_only))),
        sockets=below.sockets if above.sockets is None else above.sockets,
    )
