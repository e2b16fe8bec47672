"""The link step: what a component is composed of is plugged into it, and it is told who it is."""

from collections.abc import Sequence
from pathlib import Path

from shem.errors import BuildError
from shem.manifest.application import AppComponent, Application
from wit.binary.custom import Producer
from wit.binary.metadata import Metadata, with_documentation, with_metadata
from wit.compose import compose
from wit.errors import WitError
from wit.text.folder import load

__all__ = ["composed_files", "linked"]


def composed_files(component: AppComponent, app: Application) -> list[tuple[str, Path]]:
    """Return what is plugged into a component: names for errors, and files.

    Raises:
        BuildError: a dependency that cannot be composed, or whose file the manifest does not name.
    """
    found: list[tuple[str, Path]] = []
    for each in component.dependencies:
        match each.type:
            case "wasm-rpc":
                continue
            case "static-wasm-rpc":
                raise BuildError(
                    "clients are linked when the component is deployed: write the dependency on "
                    f"{each.target} as type wasm-rpc"
                )
            case _:
                pass
        if each.target is not None:
            found.append((each.target, _artifact(app.components[each.target])))
        elif each.path is not None:
            found.append((each.path, component.path(each.path)))
        else:
            raise BuildError(f"{each.url} is not downloaded: name the file of a copy by `path`")
    return found


def linked(component: AppComponent, data: bytes, plugs: Sequence[tuple[str, Path]]) -> bytes:
    """Return the component with everything plugged in, its name, and what its WIT says about it.

    Raises:
        BuildError: a file that is not there, or parts that do not fit each other.
    """
    parts = {component.name: data}
    for name, file in plugs:
        try:
            parts[name] = file.read_bytes()
        except OSError as error:
            raise BuildError(f"{file}, composed into it: {error.strerror}") from error
    try:
        whole = compose(parts, main=component.name) if plugs else data
        return _described(component, whole)
    except WitError as error:
        raise BuildError(f"composing: {error}") from error


def _described(component: AppComponent, data: bytes) -> bytes:
    producers = (Producer("processed-by", "shem", ""),)
    source = component.properties.generated_wit or component.properties.source_wit
    if source is None:
        return with_metadata(data, Metadata(name=component.name, producers=producers))
    packages = load(component.path(source))
    main = packages.packages[packages.main]
    version = main.name.version or ""
    named = with_metadata(data, Metadata(name=component.name, version=version, producers=producers))
    return with_documentation(named, main) if main.notes else named


def _artifact(component: AppComponent) -> Path:
    properties = component.properties
    name = properties.linked_wasm or properties.component_wasm
    if name is None:
        raise BuildError(
            f'{component.name}: "componentWasm" is missing: which file its build makes'
        )
    return component.path(name)
