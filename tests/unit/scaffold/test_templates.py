"""Every template gives an app whose manifest is right, and whose generated files can be made."""

import asyncio
import re
from pathlib import Path

import pytest

import rib
from rib.lexer import KEYWORDS
from shem.build.builder import Builder
from shem.build.steps import Step
from shem.errors import BuildError
from shem.manifest.application import load
from shem.scaffold import add_component, languages, make_app, templates_of
from wit.type_text import WIT_KEYWORDS

EVERY = [(language, template) for language in languages() for template in templates_of(language)]


@pytest.mark.parametrize(("language", "template"), EVERY)
def test_a_template_is_complete(language: str, template: str, tmp_path: Path) -> None:
    files = make_app(tmp_path / "app", "web-shop", language, template)

    app = load(tmp_path / "app" / "shem.yaml")
    component = app.components[f"web-shop:{template}"]
    texts = [(tmp_path / "app" / each).read_text() for each in files]
    assert component.properties.build
    assert not any("@@" in each for each in texts)
    readme = (component.folder / "README.md").read_text()
    assert f"shem app build web-shop:{template}" in readme
    named = re.search(r"edit `(.+?)`", readme)
    assert named
    assert (component.folder / named[1]).exists()


@pytest.mark.parametrize(("language", "template"), [each for each in EVERY if each[0] != "python"])
def test_what_a_template_is_built_from_can_be_generated(
    language: str, template: str, tmp_path: Path
) -> None:
    make_app(tmp_path / "app", "web-shop", language, template)
    app = load(tmp_path / "app" / "shem.yaml")

    builder = Builder(app, on_done=lambda _: None)
    asyncio.run(builder.build(list(app.components.values()), [Step.GEN_RPC]))

    made = tmp_path / "app" / "components" / template / "build"
    assert list(made.glob("wit/*.wit"))
    assert list(made.glob("bindings/*.h")) or language not in {"c", "zig"}
    assert list(made.glob("types/*.d.ts")) or language not in {"javascript", "typescript"}


def test_names_that_mean_something_in_a_language_are_refused_or_made_harmless(
    tmp_path: Path,
) -> None:
    with pytest.raises(BuildError, match='"list" is a word of WIT'):
        make_app(tmp_path / "list", "list", "c", "counter")
    assert not (tmp_path / "list").exists()
    app = tmp_path / "app"
    make_app(app, "shop", "c", "counter")
    with pytest.raises(BuildError, match='"record" is a word of WIT'):
        add_component(app, "c", "shop:record", "counter")

    # A module of the component may neither be a keyword nor hide one of Python's, or ours.
    for name in ("class", "queue", "app", "fine"):
        add_component(app, "python", f"shop:{name}", "counter")

    components = load(app / "shem.yaml").components.values()
    modules = [each.properties.python for each in components if each.properties.python]
    assert sorted(modules) == [
        "src/app_component.py",
        "src/class_component.py",
        "src/fine.py",
        "src/queue_component.py",
    ]
    assert all(
        (each.folder / each.properties.python).is_file()
        for each in components
        if each.properties.python
    )


@pytest.mark.parametrize("template", ["counter", "ephemeral", "http-handler", "rpc"])
@pytest.mark.parametrize("word", sorted(KEYWORDS - WIT_KEYWORDS))
def test_a_component_may_be_called_like_a_word_of_rib(
    word: str, template: str, tmp_path: Path
) -> None:
    make_app(tmp_path / "app", "shop", "c", "counter")
    made = add_component(tmp_path / "app", "c", f"shop:{word}", template)
    (tests,) = [each for each in made if each.suffix == ".rib"]
    assert rib.parse_tests((tmp_path / "app" / tests).read_text()).tests


def test_an_app_is_made_where_nothing_is(tmp_path: Path) -> None:
    file, empty = tmp_path / "file", tmp_path / "empty"
    file.write_text("mine")
    empty.mkdir()

    with pytest.raises(BuildError, match="is there already and not empty"):
        make_app(file, "file", "c", "counter")
    make_app(empty, "empty", "c", "counter")

    assert file.read_text() == "mine"
    assert (empty / "shem.yaml").is_file()


def test_a_second_component_leaves_what_was_changed_alone(tmp_path: Path) -> None:
    make_app(tmp_path / "app", "shop", "c", "counter")
    rules = tmp_path / "app" / "templates" / "c.yaml"
    rules.write_text("# mine\n")

    add_component(tmp_path / "app", "c", "shop:other", "ephemeral")

    assert rules.read_text() == "# mine\n"
    with pytest.raises(BuildError, match="is there already"):
        add_component(tmp_path / "app", "c", "shop:other", "ephemeral")
