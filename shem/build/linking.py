"""From what a toolchain made to the component that is uploaded.

A core module becomes a component by its WIT; what the manifest depends on by type `wasm` is
composed in; name, version and documentation are written into the binary.
"""

import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from shem.build.preview1 import adapter_for
from shem.errors import BuildError
from shem.manifest.application import AppComponent
from shem.manifest.schema import Dependency
from wit.binary.custom import Producer
from wit.binary.metadata import Metadata, with_documentation, with_metadata
from wit.binary.reader import Kind, kind_of
from wit.binary.writer import componentize
from wit.compose import compose
from wit.embedded import component_of, embedded_world
from wit.errors import WitError
from wit.text.folder import load
from wit.text.model import Packages

__all__ = ["described", "fetch", "linked", "read_source"]

FILE_BYTES_MAX: Final = 64 << 20
_DOWNLOAD_TIMEOUT_S: Final = 60
_PRODUCERS: Final = (Producer("processed-by", "shem", ""),)


def linked(component: AppComponent, built: Path, composed: Mapping[str, bytes]) -> bytes:
    """Return a component of what a build made, with what is composed in.

    Args:
        component: With the WIT that it is built from.
        built: What its build made, a component or a core module.
        composed: What is composed in, by the names that errors call it.

    Raises:
        BuildError: it is neither, does not fit its WIT, or the parts do not fit each other.
    """
    try:
        data = built.read_bytes()
        if kind_of(data) is Kind.CORE_MODULE:
            data = _component(data, _packages(component))
        if composed:
            data = compose({component.name: data, **composed}, main=component.name)
    except OSError as error:
        raise BuildError(f"{built}: {error.strerror}") from error
    except WitError as error:
        raise BuildError(f"{built}: {error}") from error
    return data


def described(component: AppComponent, data: bytes) -> bytes:
    """Return the finished component: name, version and documentation are written into it.

    Raises:
        BuildError: its WIT cannot be understood.
    """
    try:
        packages = _packages(component)
        if packages is None:
            return with_metadata(data, Metadata(name=component.name, producers=_PRODUCERS))
        package = packages.packages[packages.main]
        version = package.name.version or ""
        said = Metadata(name=component.name, version=version, producers=_PRODUCERS)
        data = with_metadata(data, said)
        return with_documentation(data, package) if package.notes else data
    except WitError as error:
        raise BuildError(str(error)) from error


def fetch(component: AppComponent, dependency: Dependency) -> tuple[str, bytes]:
    """Return the file that a dependency names by path or URL, and what to call it.

    Raises:
        BuildError: it cannot be read.
    """
    source = dependency.path or dependency.url or ""
    return source, read_source(component, source)


def read_source(component: AppComponent, source: str) -> bytes:
    """Return the bytes of a path of the manifest, or of an http(s) URL.

    Raises:
        BuildError: it cannot be read, or is larger than `FILE_BYTES_MAX`.
    """
    try:
        if source.startswith(("http://", "https://")):
            with urllib.request.urlopen(source, timeout=_DOWNLOAD_TIMEOUT_S) as response:  # noqa: S310 - the scheme is one of two
                content: bytes = response.read(FILE_BYTES_MAX + 1)
        else:
            content = component.path(source).read_bytes()
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise BuildError(f"{component.name}: {source}: {error}") from error
    if len(content) > FILE_BYTES_MAX:
        raise BuildError(f"{component.name}: {source}: larger than {FILE_BYTES_MAX} bytes")
    return content


def _component(core: bytes, packages: Packages | None) -> bytes:
    if embedded_world(core) is not None:
        return component_of(core)
    if packages is None:
        raise BuildError(
            "the build makes a core module: it becomes a component by its WIT, but there is"
            ' neither "sourceWit" nor "generatedWit"'
        )
    world = packages.world()
    if world is None:
        raise BuildError(f"expected one world in {packages.main} to make a component of")
    return componentize(core, world, adapter=adapter_for(core, world))


def _packages(component: AppComponent) -> Packages | None:
    text = component.properties.generated_wit or component.properties.source_wit
    if text is None or not component.path(text).exists():
        return None
    return load(component.path(text))
