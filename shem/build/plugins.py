"""Applying plugins: a component goes through those that its manifest names, in that order."""

import asyncio
import json
import shlex
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final, assert_never
from uuid import uuid4

from shem.build.commands import run_command
from shem.errors import BuildError
from shem.manifest.application import AppComponent
from shem.manifest.plugins import InstalledPlugin
from shem.manifest.schema import ExternalCommand, Plugin
from shem.manifest.templating import TemplateTextError, render
from wit.binary.reader import Kind, kind_of
from wit.compose import compose
from wit.errors import WitError

__all__ = ["applied"]

TRANSFORM_TIMEOUT_S: Final = 120
TRANSFORM_ATTEMPTS_MAX: Final = 3
TRANSFORM_PAUSE_S: Final = 0.2
COMPONENT_BYTES_MAX: Final = 256 << 20
# Names of parts that are ours.
_OURS: Final = frozenset({"component", "metadata"})
_SERVER_ERROR: Final = 500


async def applied(
    component: AppComponent, data: bytes, plugins: Mapping[str, InstalledPlugin]
) -> bytes:
    """Return what plugins make of a component.

    Raises:
        BuildError: naming the plugin: it does not fit the component, fails, or answers with
            something else than a component.
    """
    for use in component.properties.plugins:
        try:
            data = await _applied(component, data, plugins[use.name], use)
            is_component = kind_of(data) is Kind.COMPONENT
        except (BuildError, WitError, OSError) as error:
            raise BuildError(f"plugin {use.name}: {error}") from error
        if not is_component:
            raise BuildError(f"plugin {use.name}: it made something else than a component")
    return data


async def _applied(
    component: AppComponent, data: bytes, plugin: InstalledPlugin, use: Plugin
) -> bytes:
    specs = plugin.manifest.specs
    part = plugin.component
    match specs.type:
        case "Library" | "App":
            assert part is not None, "checked when it was read"
            if use.parameters:
                raise BuildError(f"{specs.type} plugins have no parameters")
            parts = {component.name: data, use.name: part.read_bytes()}
            return compose(parts, main=component.name if specs.type == "Library" else use.name)
        case "ComponentTransformer":
            if specs.command is not None:
                return await _by_command(specs.command, data, plugin.folder, use)
            assert specs.transform_url is not None, "checked when it was read"
            return await _by_request(specs.transform_url, component, data, use)
        case _:
            assert_never(specs.type)


async def _by_command(text: str, data: bytes, folder: Path, use: Plugin) -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch, "in.wasm"), Path(scratch, "out.wasm")
        values = {**use.parameters, "input": str(source), "output": str(target)}
        try:
            # A value is one word, whatever it holds.
            command = render(text, {name: shlex.quote(each) for name, each in values.items()})
        except TemplateTextError as error:
            raise BuildError(f"command: {error}") from error
        await asyncio.to_thread(source.write_bytes, data)
        await run_command(ExternalCommand(command=command), folder)
        try:
            return await asyncio.to_thread(target.read_bytes)
        except FileNotFoundError as error:
            raise BuildError(f"`{command}` has not made its output") from error


async def _by_request(url: str, component: AppComponent, data: bytes, use: Plugin) -> bytes:
    """Send the component as a form of several parts; what cannot be helped is tried again."""
    taken = _OURS & use.parameters.keys()
    if taken:
        raise BuildError(f"a parameter cannot be called {min(taken)}")
    metadata = {
        "componentName": component.name,
        "componentSize": len(data),
        "componentType": component.properties.component_type or "durable",
    }
    boundary, body = _form({**use.parameters, "metadata": json.dumps(metadata)}, data)
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked below
        url, body, {"content-type": f"multipart/form-data; boundary={boundary}"}
    )
    if request.type not in {"http", "https"}:
        raise BuildError(f"transformUrl {url}: expected an http or https URL")
    for attempt in range(1, TRANSFORM_ATTEMPTS_MAX + 1):
        try:
            return await asyncio.to_thread(_asked, request)
        except urllib.error.HTTPError as error:
            said = error.read(1_000).decode(errors="replace").strip()
            if error.code < _SERVER_ERROR or attempt == TRANSFORM_ATTEMPTS_MAX:
                raise BuildError(f"{url} answered {error.code}: {said}") from error
        except OSError as error:
            if attempt == TRANSFORM_ATTEMPTS_MAX:
                raise BuildError(f"{url}: {error}") from error
        await asyncio.sleep(TRANSFORM_PAUSE_S * attempt)
    raise AssertionError("the last attempt returns or raises")


def _asked(request: urllib.request.Request) -> bytes:
    with urllib.request.urlopen(request, timeout=TRANSFORM_TIMEOUT_S) as response:  # noqa: S310 - see above
        content: bytes = response.read(COMPONENT_BYTES_MAX + 1)
    if len(content) > COMPONENT_BYTES_MAX:
        raise BuildError(f"answers with more than {COMPONENT_BYTES_MAX} bytes")
    return content


def _form(texts: Mapping[str, str], component: bytes) -> tuple[str, bytes]:
    boundary = uuid4().hex
    parts = [
        f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in texts.items()
    ]
    head = (
        f'--{boundary}\r\ncontent-disposition: form-data; name="component"; filename="in.wasm"\r\n'
        "content-type: application/wasm\r\n\r\n"
    )
    return boundary, b"".join(
        [*parts, head.encode(), component, f"\r\n--{boundary}--\r\n".encode()]
    )
