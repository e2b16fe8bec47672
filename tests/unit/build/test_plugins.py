"""Plugins: what components go through between their build and upload."""

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shem.build import plugins
from shem.build.builder import Builder, artifact_of
from shem.build.steps import Done
from shem.errors import BuildError
from shem.manifest.application import load
from tests.unit.wit.test_compose import Running, adder, caller
from wit.binary.metadata import metadata_of

# A custom section, which changes what a component is and nothing of what it does.
MARK = bytes([0, 5, 4]) + b"mark"


def install(folder: Path, name: str, specs: str, data: bytes | None = None) -> None:
    place = folder / "plugins" / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "plugin.yaml").write_text(f"name: {name}\nversion: 1.2.0\nspecs: {specs}\n")
    if data is not None:
        (place / f"{name}.wasm").write_bytes(data)


def build(folder: Path, component: bytes, uses: str) -> list[Done]:
    (folder / "app.wasm").write_bytes(component)
    (folder / "shem.yaml").write_text(
        f"components: {{demo:app: {{componentWasm: app.wasm, plugins: {uses}}}}}\n"
    )
    app = load(folder / "shem.yaml")
    done: list[Done] = []
    asyncio.run(Builder(app, on_done=done.append).build(list(app.components.values())))
    return done


def artifact(folder: Path) -> bytes:
    app = load(folder / "shem.yaml")
    return artifact_of(app, app.components["demo:app"]).read_bytes()


def test_a_library_is_what_the_component_imports(tmp_path: Path) -> None:
    install(tmp_path, "math", "{type: Library, component: math.wasm}", adder())

    (done,) = build(tmp_path, caller(), "[{name: math, version: 1.2.0}]")

    assert done.what == "metadata, plugin math"
    assert Running(artifact(tmp_path)).call("demo:app/api", "add", 1) == 21


def test_an_app_is_what_imports_the_component(tmp_path: Path) -> None:
    install(tmp_path, "around", "{type: App, component: around.wasm}", caller())

    build(tmp_path, adder(), "[{name: around, version: 1.2.0}]")

    assert Running(artifact(tmp_path)).call("demo:app/api", "add", 1) == 21
    # It is still the component of this name.
    assert metadata_of(artifact(tmp_path)).name == "demo:app"


def test_a_command_transforms_with_its_parameters_in_the_order_of_the_list(tmp_path: Path) -> None:
    code = (
        "import sys; data = open(sys.argv[1], 'rb').read();"
        "open(sys.argv[2], 'wb').write(data + bytes([0, 5, 4]) + sys.argv[3].encode())"
    )
    command = json.dumps(
        f'{sys.executable} -c "{code}" {{{{ input }}}} {{{{ output }}}} {{{{ word }}}}'
    )
    install(tmp_path, "mark", f"{{type: ComponentTransformer, command: {command}}}")

    build(
        tmp_path,
        adder(),
        "[{name: mark, version: 1.2.0, parameters: {word: 'a  b'}},"
        " {name: mark, version: 1.2.0, parameters: {word: last}}]",
    )

    data = artifact(tmp_path)
    assert data.index(b"\0\5\4a  b") < data.index(b"\0\5\4last")
    assert Running(data).call("demo:math/api", "add", 1) > 1


def test_it_is_applied_again_only_if_something_changed(tmp_path: Path) -> None:
    install(tmp_path, "math", "{type: Library, component: math.wasm}", adder())
    uses = "[{name: math, version: 1.2.0}]"
    build(tmp_path, caller(), uses)

    assert [each.ran for each in build(tmp_path, caller(), uses)] == [False]
    install(tmp_path, "math", "{type: Library, component: math.wasm}", adder(add=1))
    assert [each.ran for each in build(tmp_path, caller(), uses)] == [True]
    assert Running(artifact(tmp_path)).call("demo:app/api", "add", 0) == 2


class Transformer(ThreadingHTTPServer):
    """Answers with what it was sent and a mark; `answers` come before that."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, bytes]] = []
        self.parts: list[dict[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/transform"


class _Handler(BaseHTTPRequestHandler):
    server: Transformer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        boundary = b"--" + self.headers["content-type"].partition("boundary=")[2].encode()
        parts: dict[str, bytes] = {}
        for each in body.split(boundary)[1:-1]:
            head, _, content = each.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            parts[head.decode().partition('name="')[2].partition('"')[0]] = content[:-2]
        self.server.parts.append(parts)
        given = self.server.answers
        status, answer = given.pop(0) if given else (200, parts["component"] + MARK)
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def transformer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Transformer]:
    monkeypatch.setattr(plugins, "TRANSFORM_PAUSE_S", 0)
    server = Transformer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    install(tmp_path, "far", f"{{type: ComponentTransformer, transformUrl: '{server.url}'}}")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


FAR = "[{name: far, version: 1.2.0, parameters: {level: high}}]"


def test_a_server_transforms_and_is_told_about_the_component(
    tmp_path: Path, transformer: Transformer
) -> None:
    build(tmp_path, adder(), FAR)

    assert MARK in artifact(tmp_path)
    (parts,) = transformer.parts
    assert parts["level"] == b"high"
    assert json.loads(parts["metadata"]) == {
        "componentName": "demo:app",
        "componentSize": len(parts["component"]),
        "componentType": "durable",
    }


def test_a_server_in_trouble_is_asked_again(tmp_path: Path, transformer: Transformer) -> None:
    transformer.answers = [(503, b""), (500, b"")]

    build(tmp_path, adder(), FAR)

    assert MARK in artifact(tmp_path)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([(422, b"no such level")], "/transform answered 422: no such level"),
        ([(503, b"later")] * 3, "/transform answered 503: later"),
        ([(200, b"<html>")], "it made something else than a component"),
        ([(200, b"\0asm\1\0\0\0")], "it made something else than a component"),
    ],
)
def test_what_a_server_refuses_fails_the_build(
    tmp_path: Path, transformer: Transformer, answers: list[tuple[int, bytes]], message: str
) -> None:
    transformer.answers = answers

    with pytest.raises(BuildError) as raised:
        build(tmp_path, adder(), FAR)

    assert str(raised.value).startswith("demo:app: plugin far: ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("specs", "parameters", "message"),
    [
        ("{type: Library, component: own.wasm}", "{}", "nobody uses own"),
        ("{type: Library, component: own.wasm}", "{a: b}", "Library plugins have no parameters"),
        ("{type: ComponentTransformer, command: no-such-tool}", "{}", "is not installed"),
        ("{type: ComponentTransformer, command: 'true'}", "{}", "has not made its output"),
        ("{type: ComponentTransformer, command: 'x {{ lvl }}'}", "{}", "'lvl' is undefined"),
        ("{type: ComponentTransformer, transformUrl: 'file:///x'}", "{}", "an http or https URL"),
        ("{type: ComponentTransformer, transformUrl: 'http://h'}", "{metadata: x}", "be called"),
    ],
)
def test_a_plugin_that_does_not_work_is_named(
    tmp_path: Path, specs: str, parameters: str, message: str
) -> None:
    install(tmp_path, "own", specs, adder("demo:other/api"))

    with pytest.raises(BuildError) as raised:
        build(tmp_path, adder(), f"[{{name: own, version: 1.2.0, parameters: {parameters}}}]")

    assert str(raised.value).startswith("demo:app: plugin own: ")
    assert message in str(raised.value)


def test_what_a_plugin_lacks_is_named(tmp_path: Path) -> None:
    install(tmp_path, "own", "{type: Library, component: gone.wasm}")

    with pytest.raises(BuildError, match=r"^demo:app: .*/plugins/own/gone\.wasm: No such file"):
        build(tmp_path, adder(), "[{name: own, version: 1.2.0}]")
