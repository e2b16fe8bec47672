"""What deploying an app would do, and in which order."""

import hashlib
import inspect
from pathlib import Path
from typing import Any, cast

import pytest

from shem.build.builder import artifact_of
from shem.client import Client
from shem.client.components import Components
from shem.deployment import Planned, plan
from shem.errors import UnknownComponentError
from shem.manifest.application import Application, load
from shem.records import Component


class Nobody:
    """A system without components."""

    def __init__(self) -> None:
        self.components = self

    async def get(self, name: str) -> Any:
        raise UnknownComponentError(name, kind="unknown-component")


class Somebody(Nobody):
    """A system whose components were uploaded as they are, without any setting."""

    async def get(self, name: str) -> Component:
        return Component(name=name, version=3, digest=hashlib.sha256(b"").hexdigest(), size=0)


def app_of(folder: Path, calls: dict[str, list[str]]) -> Application:
    """Write an app of components that call others, as if it was built; return it."""
    components, dependencies = ["components:"], ["dependencies:"]
    for name, targets in calls.items():
        wit = folder / name
        wit.mkdir()
        wit.joinpath("world.wit").write_text(
            f"package demo:{name};\n"
            f"interface api {{ run: func(); }}\nworld {name} {{ export api; }}\n"
        )
        components.append(f"  demo:{name}: {{sourceWit: {name}, componentWasm: {name}.wasm}}")
        listed = ", ".join(f"{{type: wasm-rpc, target: 'demo:{each}'}}" for each in targets)
        dependencies.append(f"  demo:{name}: [{listed}]")
    (folder / "shem.yaml").write_text("\n".join([*components, *dependencies]) + "\n")
    app = load(folder / "shem.yaml")
    for each in app.components.values():
        artifact = artifact_of(app, each)
        artifact.parent.mkdir(parents=True, exist_ok=True)
        artifact.write_bytes(b"")
    return app


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ({"a": ["z"], "z": []}, ["z", "a"]),
        ({"a": ["c", "b"], "b": [], "c": ["d"], "d": ["b"]}, ["b", "d", "c", "a"]),
        ({"b": [], "a": ["a"]}, ["b", "a"]),
        # None of a circle can be first; what all of them need can.
        ({"a": ["b"], "b": ["a", "c"], "c": []}, ["c", "b", "a"]),
    ],
)
async def test_what_is_called_is_uploaded_before_who_calls_it(
    calls: dict[str, list[str]], expected: list[str], tmp_path: Path
) -> None:
    app = app_of(tmp_path, calls)

    planned = await plan(cast("Client", Nobody()), app, list(app.components.values()))

    assert [each.component for each in planned] == [f"demo:{each}" for each in expected]


def test_all_that_an_upload_can_say_is_planned() -> None:
    said = set(inspect.signature(Components.add).parameters)
    said -= {"self", "name", "if_changed", "replaced", "progress"}
    assert {name.rstrip("_") for name in said} <= set(Planned.__struct_fields__)


@pytest.mark.parametrize(
    ("written", "reasons"), [("", ()), ("sockets: false", ()), ("sockets: true", ("sockets",))]
)
async def test_sockets_are_for_components_whose_manifest_says_so(
    written: str, reasons: tuple[str, ...], tmp_path: Path
) -> None:
    app_of(tmp_path, {"a": []})
    manifest = tmp_path / "shem.yaml"
    manifest.write_text(manifest.read_text().replace("}", f", {written}}}", 1))
    app = load(manifest)

    (planned,) = await plan(cast("Client", Somebody()), app, list(app.components.values()))

    assert planned.sockets is bool(reasons)
    assert planned.reasons == reasons
