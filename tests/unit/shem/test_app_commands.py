"""`shem app` where no system is needed: which components are meant, what is shown and removed."""

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest

from shem.cli.app import main

SCHEMA = Path(__file__).parents[3] / "docs" / "editor" / "shem.schema.json"
COPY = f"{sys.executable} -c 'import shutil, sys; shutil.copy(*sys.argv[1:])'"
EMPTY_COMPONENT = b"\0asm\x0d\0\x01\0"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    command = json.dumps(f"{COPY} in.wasm out.wasm")
    (tmp_path / "shem.yaml").write_text(
        f"""includes: ["*/shem.yaml"]
templates:
  copied:
    componentWasm: out.wasm
    build: [{{command: {command}, sources: [in.wasm], targets: [out.wasm]}}]
customCommands:
  greet: [{{command: echo hello from the app}}]
"""
    )
    for name in ("one", "two"):
        place = tmp_path / name
        (place / "src").mkdir(parents=True)
        (place / "in.wasm").write_bytes(EMPTY_COMPONENT)
        (place / "shem.yaml").write_text(
            f"components:\n  demo:{name}:\n    template: copied\n    clean: [left]\n"
            "    customCommands:\n      paint: [{command: echo painted}]\n"
        )
    return tmp_path


def shem(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run a command in a folder; return its status and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COLUMNS", "200")
        patch.delenv("SHEM_APP_MANIFEST", raising=False)
        patch.setattr(sys, "argv", ["shem", *arguments])
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as left,
        ):
            main()
    return int(left.value.code or 0), out.getvalue(), err.getvalue()


def built(folder: Path, *names: str) -> set[str]:
    status, out, err = shem(folder, "app", "build", *names, "-o", "json")
    assert status == 0, err
    return {each["component"] for each in json.loads(out)["steps"]}


def test_without_names_the_components_of_the_folder_are_meant(app: Path) -> None:
    assert built(app) == {"demo:one", "demo:two"}
    assert built(app / "two") == {"demo:two"}
    assert built(app / "two" / "src") == {"demo:two"}


def test_where_there_are_no_components_all_of_the_app_are_meant(
    app: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (app / "templates").mkdir()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    named = ("-a", str(app / "shem.yaml"))

    assert built(app / "templates") == {"demo:one", "demo:two"}
    assert built(elsewhere, *named) == {"demo:one", "demo:two"}

    (elsewhere / "shem.yaml").write_text("components: {}\n")
    assert built(elsewhere) == set()


def test_a_new_component_that_no_manifest_includes_is_told(app: Path) -> None:
    status, _, err = shem(app, "component", "new", "c", "demo:three")
    assert status == 0
    told = "shem.yaml has to name them in `includes`: templates/c.yaml, components/three/shem.yaml"
    assert err == f"{told}\n"

    manifest = app / "shem.yaml"
    includes = '["*/shem.yaml", "templates/*.yaml", "components/*/shem.yaml"]'
    manifest.write_text(manifest.read_text().replace('["*/shem.yaml"]', includes))
    assert shem(app, "component", "new", "c", "demo:four")[2] == ""


def test_components_are_named_whole_or_by_their_last_part(app: Path) -> None:
    assert built(app, "demo:one") == {"demo:one"}
    assert built(app / "two", "one") == {"demo:one"}
    status, _, err = shem(app, "app", "build", "demo:oen")
    assert status == 1
    assert 'unknown component "demo:oen", did you mean demo:one?' in err


def test_an_unknown_profile_is_told_with_those_that_there_are(app: Path) -> None:
    status, _, err = shem(app, "app", "deploy", "--profile", "nope")
    assert status == 1
    assert 'unknown profile "nope": the manifest has no `profiles`' in err
    manifest = app / "shem.yaml"
    manifest.write_text(manifest.read_text() + "profiles: {there: {}}\n")
    assert (
        'unknown profile "nope", expected one of there'
        in (shem(app, "app", "deploy", "--profile", "nope")[2])
    )


def test_steps_are_told_with_their_times(app: Path) -> None:
    status, out, err = shem(app, "app", "build", "one")
    assert status == 0
    assert err.splitlines()[0].startswith("demo:one  componentize  ")
    assert err.splitlines()[0].endswith(" s")
    assert out == "built 1 components: 2 steps run, 0 up to date\n"
    _, out, err = shem(app, "app", "build", "one")
    assert (out, err) == ("built 1 components: 0 steps run, 2 up to date\n", "")


def test_only_one_step_runs_when_asked(app: Path) -> None:
    _, out, _ = shem(app, "app", "build", "--step", "componentize", "-o", "json")
    assert {each["step"] for each in json.loads(out)["steps"]} == {"componentize"}


def test_what_was_built_is_removed_again(app: Path) -> None:
    built(app)
    (app / "one" / "left").mkdir()
    status, out, _ = shem(app, "app", "clean", "-o", "json")
    assert status == 0
    removed = {str(Path(each).relative_to(app)) for each in json.loads(out)["removed"]}
    assert removed == {"one/out.wasm", "one/left", "two/out.wasm", "shem-temp"}
    assert (app / "one" / "in.wasm").exists()


def test_what_components_that_are_gone_have_built_is_removed_too(app: Path) -> None:
    built(app)
    (app / "two" / "left").mkdir()
    (app / "two" / "shem.yaml").unlink()
    app = app.rename(app.parent / "moved")
    # A component of another name builds in the same place; what it is built from stays.
    (app / "one" / "shem.yaml").write_text(
        "components:\n  demo:new:\n    template: copied\n    componentWasm: new.wasm\n"
    )

    status, out, _ = shem(app, "app", "clean", "-o", "json")

    assert status == 0
    removed = {str(Path(each).relative_to(app)) for each in json.loads(out)["removed"]}
    assert removed == {"one/out.wasm", "two/out.wasm", "two/left", "shem-temp"}
    assert (app / "one" / "in.wasm").exists()
    assert (app / "two" / "in.wasm").exists()


def test_commands_of_the_app_and_of_components_are_commands(app: Path, capfd) -> None:
    assert shem(app, "app", "greet")[0] == 0
    assert shem(app, "app", "paint")[0] == 0
    assert capfd.readouterr().out == "hello from the app\npainted\npainted\n"
    status, _, err = shem(app, "app", "gret")
    assert status == 2
    assert "No such command 'gret'" in err


def test_missing_tools_are_told_with_how_to_get_them(app: Path) -> None:
    manifest = app / "shem.yaml"
    manifest.write_text(manifest.read_text().replace("echo hello", "tinygo build"))

    status, out, _ = shem(app, "app", "diagnose", "-o", "json")

    tools = {each["tool"]: each for each in json.loads(out)}
    assert status == 1
    assert tools[sys.executable]["path"] == sys.executable
    assert tools["tinygo"] == {
        "tool": "tinygo",
        "path": None,
        "needed-by": ["command greet"],
        "how": "install TinyGo",
    }


def test_a_failing_tool_is_shown_and_its_failure_is_the_status(app: Path) -> None:
    failing = json.dumps(
        f"{sys.executable} -c 'print(\"line 7: no such thing\"); raise SystemExit(9)'"
    )
    (app / "one" / "shem.yaml").write_text(
        f"components: {{demo:one: {{componentWasm: out.wasm, build: [{{command: {failing}}}]}}}}\n"
    )

    status, out, err = shem(app, "app", "build", "-o", "json")

    assert status == 1
    assert "failed with status 9\nline 7: no such thing" in err
    assert json.loads(out)["error"]["kind"] == "build-failed"


def test_a_mistake_in_the_manifest_is_a_document_with_places(app: Path) -> None:
    (app / "two" / "shem.yaml").write_text("components: {demo:two: {templat: copied}}\n")

    status, out, err = shem(app, "app", "build", "-o", "json")

    error = json.loads(out)["error"]
    assert status == 1
    assert error["kind"] == "bad-manifest"
    assert (error["problems"][0]["line"], error["problems"][0]["column"]) == (1, 25)
    assert 'unknown field of a component "templat", did you mean template?' in err


def test_the_published_schema_is_that_of_the_program(app: Path) -> None:
    status, out, _ = shem(app, "app", "schema")
    assert status == 0
    assert json.loads(out) == json.loads(SCHEMA.read_text())


def test_plugins_are_installed_in_the_app_listed_and_removed(app: Path, tmp_path_factory) -> None:
    source = tmp_path_factory.mktemp("source")
    (source / "plugin.yaml").write_text(
        "name: around\nversion: 1.0.0\ndescription: Does nothing.\n"
        "specs: {type: App, component: build/around.wasm}\n"
    )
    assert "No such file" in shem(app, "plugin", "install", str(source))[2]
    assert not (app / "plugins" / "around").exists()
    (source / "build").mkdir()
    (source / "build" / "around.wasm").write_bytes(EMPTY_COMPONENT)
    (source / "build" / "more.txt").write_text("not a part of it")

    status, out, _ = shem(app / "one", "plugin", "install", str(source / "plugin.yaml"))

    place = app / "plugins" / "around"
    assert (status, out) == (0, "installed around 1.0.0\n")
    assert sorted(each.name for each in place.rglob("*") if each.is_file()) == [
        "around.wasm",
        "plugin.yaml",
    ]
    listed = json.loads(shem(app, "plugin", "list", "-o", "json")[1])
    assert listed == [
        {
            "name": "around",
            "version": "1.0.0",
            "type": "App",
            "description": "Does nothing.",
            "homepage": "",
            "folder": str(place),
        }
    ]

    # Another version takes its place.
    manifest = (source / "plugin.yaml").read_text()
    (source / "plugin.yaml").write_text(manifest.replace("1.0.0", "1.1.0"))
    assert shem(app, "plugin", "install", str(source))[1] == "installed around 1.1.0\n"
    assert "around  1.1.0" in shem(app, "plugin", "list")[1]

    assert 'unknown plugin "arond"' in shem(app, "plugin", "uninstall", "arond")[2]
    assert shem(app, "plugin", "uninstall", "around")[0] == 0
    assert not place.exists()


def test_a_plugin_keeps_to_its_folder(app: Path, tmp_path_factory) -> None:
    source = tmp_path_factory.mktemp("source")
    (source / "plugin.yaml").write_text(
        "name: sly\nversion: 1.0.0\nspecs: {type: App, component: ../../shem.yaml}\n"
    )

    status, _, err = shem(app, "plugin", "install", str(source))

    assert status == 1
    assert "outside of the plugin's folder" in err
    assert not (app / "plugins" / "sly").exists()
