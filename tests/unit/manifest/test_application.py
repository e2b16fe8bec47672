"""Templates, build profiles, several files: what a component is in the end."""

import json
from pathlib import Path

import pytest

from shem.manifest.application import load
from shem.manifest.discovery import find_manifest
from shem.manifest.schema import json_schema
from shem.manifest.templating import FILTERS, render

TEXT = """
includes: ["parts/*/shem.yaml"]
templates:
  python:
    sourceWit: wit
    componentWasm: out/{{ component_name | to_snake_case }}.wasm
    build: [{command: "build {{ component_name }}"}]
    env: {A: template, B: template}
    clean: [out]
    profiles:
      release: {componentWasm: "release/{{ component_name | to_kebab_case }}.wasm"}
components:
  demo:one:
    template: python
    env: {B: component}
    clean: [more]
    profiles: {release: {env: {C: release}}}
dependencies:
  demo:one: [{type: wasm, target: demo:two}]
---
customCommands: {hello: [{command: echo hello}]}
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    (tmp_path / "parts" / "two").mkdir(parents=True)
    (tmp_path / "parts" / "two" / "shem.yaml").write_text(
        "components:\n  demo:two: {template: python, build: []}\n"
    )
    (tmp_path / "shem.yaml").write_text(TEXT)
    return tmp_path / "shem.yaml"


def test_a_component_is_its_template_with_what_it_says_itself(manifest: Path) -> None:
    one = load(manifest).components["demo:one"]

    assert one.properties.component_wasm == "out/demo_one.wasm"
    assert one.properties.build[0].command == "build demo:one"
    assert one.properties.env == {"A": "template", "B": "component"}
    assert one.properties.clean == ("out", "more")


def test_a_build_profile_is_laid_over_template_and_component(manifest: Path) -> None:
    one = load(manifest, build_profile="release").components["demo:one"]

    assert one.properties.component_wasm == "release/demo-one.wasm"
    assert one.properties.env == {"A": "template", "B": "component", "C": "release"}


def test_paths_are_relative_to_the_file_that_names_the_component(manifest: Path) -> None:
    two = load(manifest).components["demo:two"]

    assert two.path("wit") == manifest.parent / "parts" / "two" / "wit"
    assert two.properties.build == ()


def test_what_is_composed_into_another_stands_before_it(manifest: Path) -> None:
    assert list(load(manifest).components) == ["demo:two", "demo:one"]


def test_the_topmost_manifest_is_the_one(manifest: Path) -> None:
    assert find_manifest(manifest.parent / "parts" / "two", {}) == manifest


def test_a_golem_manifest_is_read_where_there_is_no_other(tmp_path: Path) -> None:
    (tmp_path / "golem.yaml").write_text("components: {demo:a: {}}\n")

    assert list(load(find_manifest(tmp_path, {})).components) == ["demo:a"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("to_snake_case", "demo_shopping_cart"),
        ("to_kebab_case", "demo-shopping-cart"),
        ("to_lower_camel_case", "demoShoppingCart"),
        ("to_pascal_case", "DemoShoppingCart"),
        ("to_upper_camel_case", "DemoShoppingCart"),
        ("to_shouty_kebab_case", "DEMO-SHOPPING-CART"),
        ("to_shouty_snake_case", "DEMO_SHOPPING_CART"),
        ("to_title_case", "Demo Shopping Cart"),
        ("to_train_case", "Demo-Shopping-Cart"),
    ],
)
@pytest.mark.parametrize("text", ["demo:shopping-cart", "demo_ShoppingCart", "DemoShopping CART"])
def test_case_filters(name: str, expected: str, text: str) -> None:
    assert FILTERS[name](text) == expected
    assert render(f"{{{{ x | {name} }}}}", {"x": text}) == expected


def test_templates_cannot_leave_their_sandbox() -> None:
    with pytest.raises(Exception, match="unsafe"):
        render("{{ x.__class__.__mro__ }}", {"x": "a"})


def test_the_schema_refuses_what_the_reader_refuses() -> None:
    schema = json_schema()

    assert schema["$defs"]["Component"]["additionalProperties"] is False
    assert set(schema["$defs"]["Manifest"]["properties"]) >= {"components", "httpApi", "witDeps"}
    json.dumps(schema)
