"""An app from its manifest to running workers: built, planned, deployed, changed, and again."""

import json
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.system import RunningSystem

# Text to a component: a toolchain that takes no time.
BUILD = f"""{sys.executable} -c 'import sys, wasmtime
open(sys.argv[2], "wb").write(wasmtime.wat2wasm(open(sys.argv[1]).read()))'"""
COUNTER = """(component
  (core module $m (global $total (mut i64) (i64.const %s))
    (func (export "add") (param i64) (result i64)
      (global.set $total (i64.add (global.get $total) (local.get 0))) (global.get $total)))
  (core instance $i (instantiate $m))
  (func $add (param "value" u64) (result u64) (canon lift (core func $i "add")))
  (instance $api (export "add" (func $add)))
  (export "demo:%s/api" (instance $api)))
"""


def write_app(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "main.wat").write_text(COUNTER % (0, name))
        (folder / name / "shem.yaml").write_text(
            f"components: {{demo:{name}: {{template: wat}}}}\n"
        )
    command = json.dumps(f"{BUILD} main.wat main.wasm")
    (folder / "shem.yaml").write_text(
        f"""includes: ["*/shem.yaml"]
templates:
  wat:
    componentWasm: main.wasm
    env: {{LEVEL: info}}
    build:
      - {{command: {command}, sources: [main.wat], targets: [main.wasm]}}
customCommands:
  hello: [{{command: "echo hello from the app"}}]
"""
    )


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    folder = tmp_path_factory.mktemp("app")
    write_app(folder)
    with RunningSystem(folder) as started:
        yield started


def document(system: RunningSystem, *command: str) -> Any:
    """Return the document of a command that ends well; it stands in the last line."""
    done = system.run("shem", *command, "-o", "json")
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout.splitlines()[-1])


def actions(deployed: Any) -> dict[str, str]:
    return {each["component"]: each["action"] for each in deployed["plan"]}


def test_an_app_is_deployed_changed_and_deployed_again(system: RunningSystem) -> None:
    first = document(system, "app", "deploy")
    assert actions(first) == {"demo:one": "create", "demo:two": "create"}
    assert document(system, "worker", "invoke", "demo:one/a", "add(5)") == {"result": 5}

    again = document(system, "app", "deploy")
    assert actions(again) == {"demo:one": "keep", "demo:two": "keep"}

    (system.folder / "two" / "main.wat").write_text(COUNTER % (100, "two"))
    planned = document(system, "app", "deploy", "--plan")
    changed = document(system, "app", "deploy")

    assert planned["plan"] == changed["plan"]
    assert actions(changed) == {"demo:one": "keep", "demo:two": "update"}
    assert changed["plan"][1]["reasons"] == ["code"]
    assert [each["version"] for each in changed["components"]] == [0, 1]
    assert document(system, "worker", "invoke", "demo:two/b", "add(5)") == {"result": 105}
    assert document(system, "worker", "invoke", "demo:one/a", "add(5)") == {"result": 10}


def test_a_build_that_fails_deploys_nothing(system: RunningSystem) -> None:
    source, other = (system.folder / each / "main.wat" for each in ("one", "two"))
    good, before = source.read_text(), document(system, "component", "list")
    try:
        source.write_text("(component")
        # What builds is not deployed by itself either.
        other.write_text(COUNTER % (700, "two"))
        done = system.run("shem", "app", "deploy")
    finally:
        source.write_text(good)

    assert done.returncode == 1
    assert "error (build-failed): demo:one:" in done.stdout
    assert "expected `)`" in done.stdout
    assert document(system, "component", "list") == before


@pytest.mark.parametrize(
    ("source", "message"),
    [("nowhere.json", "No such file"), ("http://127.0.0.1:9/prices.json", "refused")],
)
def test_an_initial_file_that_cannot_be_had_deploys_nothing(
    system: RunningSystem, source: str, message: str
) -> None:
    manifest = system.folder / "one" / "shem.yaml"
    good, before = manifest.read_text(), document(system, "component", "list")
    try:
        manifest.write_text(
            "components: {demo:one: {template: wat, files:"
            f" [{{sourcePath: '{source}', targetPath: /etc/a}}]}}}}\n"
        )
        done = system.run("shem", "app", "deploy")
    finally:
        manifest.write_text(good)

    assert done.returncode == 1
    assert f"error (build-failed): demo:one: {source}: " in done.stdout
    assert message in done.stdout
    assert document(system, "component", "list") == before


def test_initial_files_come_from_paths_and_from_urls(system: RunningSystem, tmp_path: Path) -> None:
    (tmp_path / "far.txt").write_text("from afar")
    (system.folder / "one" / "near.txt").write_text("from nearby")
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/far.txt"
    try:
        (system.folder / "one" / "shem.yaml").write_text(
            "components:\n  demo:one:\n    template: wat\n    files:\n"
            "      - {sourcePath: near.txt, targetPath: /etc/near.txt}\n"
            f"      - {{sourcePath: '{url}', targetPath: /etc/far.txt, permissions: read-write}}\n"
        )
        deployed = document(system, "app", "deploy", "one")
        again = document(system, "app", "deploy", "one")
    finally:
        server.shutdown()
        server.server_close()

    assert actions(again) == {"demo:one": "keep"}
    assert {each["path"]: each["permissions"] for each in deployed["components"][0]["files"]} == {
        "/etc/near.txt": "ro",
        "/etc/far.txt": "rw",
    }
    document(system, "worker", "new", "demo:one/filed")
    for path, text in (("/etc/near.txt", "from nearby"), ("/etc/far.txt", "from afar")):
        done = system.run("shem", "worker", "files", "cat", "demo:one/filed", path)
        assert done.stdout == text


def test_a_custom_command_is_a_command(system: RunningSystem) -> None:
    done = system.run("shem", "app", "hello")

    assert (done.returncode, done.stdout) == (0, "hello from the app\n")


def test_a_new_app_in_python_has_a_manifest_that_is_right(system: RunningSystem) -> None:
    made = document(system, "app", "new", "web-shop", "python")

    assert "components/counter/src/counter.py" in made["files"]
    done = system.run("shem", "app", "list", "--manifest", "web-shop/shem.yaml", "-o", "json")
    assert [each["name"] for each in json.loads(done.stdout)["components"]] == ["web-shop:counter"]
