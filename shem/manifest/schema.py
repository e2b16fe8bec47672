"""The fields of a manifest. Names and meanings follow golem.yaml of Golem 1.2.5 where it has them.

Every field may be left out; None and empty mean that nothing was said. Unknown fields are refused
by `checking`, which reads these classes; `json_schema` publishes them for editors.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta, Struct

__all__ = [
    "Component",
    "Dependency",
    "Deployment",
    "ExternalCommand",
    "Fields",
    "HttpApi",
    "InitialFile",
    "Manifest",
    "Plugin",
    "Profile",
    "Properties",
    "json_schema",
]

Texts: TypeAlias = tuple[str, ...]


class Fields(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What all levels share: names in camel case."""


class ExternalCommand(Fields, frozen=True, kw_only=True):
    """A program to run, in the folder of the manifest or in `dir` below it.

    With `sources` and `targets` (glob patterns) it runs only if a source changed since it ran last,
    or a target is missing. `rmdirs` and `mkdirs` are removed and made before.
    """

    command: str
    dir: str | None = None
    rmdirs: Texts = ()
    mkdirs: Texts = ()
    sources: Texts = ()
    targets: Texts = ()
    env: Mapping[str, str] = {}


Commands: TypeAlias = tuple[ExternalCommand, ...]


class InitialFile(Fields, frozen=True, kw_only=True):
    """A file, from a path or an http(s) URL, that every worker finds at `target_path`."""

    source_path: str
    target_path: Annotated[str, Meta(pattern="^/")]
    permissions: Literal["read-only", "read-write"] = "read-only"


class Plugin(Fields, frozen=True, kw_only=True):
    """A plugin that the component goes through when it is built; see `shem.manifest.plugins`."""

    name: str
    version: str
    parameters: Mapping[str, str] = {}


class Properties(Fields, frozen=True, kw_only=True):
    """How a component is built and run. Paths are relative to the folder of the manifest.

    With `python`, the module whose class is the component, `source_wit` is made from it, and
    `generated_python` is where the modules go that connect both; clients of RPC dependencies too.
    `generated_c` is where bindings for C and Zig go, named like the component;
    `generated_typescript` is where declarations for TypeScript go.
    """

    python: str | None = None
    generated_python: str | None = None
    generated_c: str | None = None
    generated_typescript: str | None = None

    source_wit: str | None = None
    generated_wit: str | None = None
    component_wasm: str | None = None
    linked_wasm: str | None = None
    build: Commands | None = None
    custom_commands: Mapping[str, Commands] = {}
    clean: Texts = ()
    component_type: Literal["durable", "ephemeral"] | None = None
    files: tuple[InitialFile, ...] = ()
    plugins: tuple[Plugin, ...] = ()
    env: Mapping[str, str] = {}
    snapshots: str | None = None
    retry: str | None = None
    memory: str | None = None
    quota: str | None = None
    history: Literal["keep", "archive", "purge"] | None = None
    read_only: Texts = ()
    sockets: bool | None = None


class Component(Properties, frozen=True, kw_only=True):
    """A component or a template of components: properties, and what build profiles change."""

    template: str | None = None
    profiles: Mapping[str, Properties] = {}
    default_profile: str | None = None


class Dependency(Fields, frozen=True, kw_only=True):
    """What a component needs: another component of the app, or a file.

    `wasm-rpc` calls workers of `target`, and so does `static-wasm-rpc`: clients are always provided
    by the host, so there is none to compose in. `wasm` composes `target`, or the component at
    `path` or `url`, into this one.
    """

    type: Literal["wasm-rpc", "static-wasm-rpc", "wasm"]
    target: str | None = None
    path: str | None = None
    url: str | None = None


class Deployment(Fields, frozen=True, kw_only=True):
    """HTTP APIs, `name` or `name@version`, served for a host."""

    host: str
    subdomain: str | None = None
    definitions: Texts = ()


class HttpApi(Fields, frozen=True, kw_only=True):
    """HTTP APIs of the app. Definitions are read by the gateway, which knows their fields."""

    definitions: Mapping[str, Any] = {}
    deployments: Mapping[str, tuple[Deployment, ...]] = {}


class Profile(Fields, frozen=True, kw_only=True):
    """Where and how to deploy; chosen by `--profile` or SHEM_PROFILE.

    `nats` is the broker's URL, `build_profile` the build profile it goes with.
    """

    default: bool = False
    nats: str | None = None
    format: Literal["text", "json", "yaml"] | None = None
    build_profile: str | None = None
    auto_confirm: bool = False
    redeploy_workers: bool = False
    redeploy_http_api: bool = False
    redeploy_all: bool = False


class Manifest(Fields, frozen=True, kw_only=True):
    """One document of a manifest."""

    includes: Texts = ()
    temp_dir: str | None = None
    wit_deps: Texts = ()
    templates: Mapping[str, Component] = {}
    components: Mapping[str, Component] = {}
    dependencies: Mapping[str, tuple[Dependency, ...]] = {}
    custom_commands: Mapping[str, Commands] = {}
    clean: Texts = ()
    http_api: HttpApi | None = None
    profiles: Mapping[str, Profile] = {}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a manifest (draft 2020-12), for editors."""
    (reference,), definitions = msgspec.json.schema_components(
        [Manifest], ref_template="#/$defs/{name}"
    )
    for definition in definitions.values():
        if definition.get("type") == "object" and "properties" in definition:
            definition["additionalProperties"] = False
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Shem app manifest",
        **reference,
        "$defs": definitions,
    }
