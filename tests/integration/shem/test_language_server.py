"""`shem rib lsp`, spoken to as an editor does."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.cluster import ROOT
from tests.guests.build import build

pytestmark = pytest.mark.timeout(120)


class Editor:
    """One end of the protocol: requests with answers, notifications in between."""

    def __init__(self, folder: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SHEM_")}
        # Nothing listens there: the files are all it has.
        environment = {**kept, "PYTHONPATH": str(ROOT), "SHEM_NATS_URL": "nats://127.0.0.1:1"}
        command = ["-m", "shem", "rib", "lsp", "--file", f"tiny={build('tiny')}"]
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.count = 0
        self.notes: list[dict[str, Any]] = []

    def send(self, method: str, params: object, **more: object) -> None:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        stream = self.process.stdout
        assert stream is not None
        length = 0
        while (line := stream.readline().strip()) or not length:
            assert line, "the server has ended"
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return json.loads(stream.read(length))

    def ask(self, method: str, params: object) -> Any:
        self.count += 1
        self.send(method, params, id=self.count)
        while (message := self.receive()).get("id") != self.count:
            self.notes.append(message)
        assert "error" not in message, message
        return message["result"]

    def findings(self) -> list[dict[str, Any]]:
        while True:
            message = self.notes.pop(0) if self.notes else self.receive()
            if message.get("method") == "textDocument/publishDiagnostics":
                return message["params"]["diagnostics"]

    def open(self, name: str, text: str) -> list[dict[str, Any]]:
        """Open a text and return what is wrong with it."""
        document = {"uri": name, "languageId": "rib", "version": 1, "text": text}
        self.send("textDocument/didOpen", {"textDocument": document})
        return self.findings()

    def at(self, method: str, name: str, line: int, character: int) -> Any:
        position = {"line": line, "character": character}
        return self.ask(method, {"textDocument": {"uri": name}, "position": position})


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Editor]:
    started = Editor(tmp_path)
    # Closes both pipes in the end.
    with started.process:
        started.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        started.send("initialized", {})
        yield started
        started.ask("shutdown", None)
        started.send("exit", None)
        assert started.process.wait(30) == 0


def test_an_editor_is_served(editor: Editor, tmp_path: Path) -> None:
    program = "file:///program.rib"
    (wrong,) = editor.open(program, 'let w = instance("é😀");\nw.add("1")')
    assert wrong["code"] == "RIB0202"
    assert wrong["range"]["start"] == {"line": 1, "character": 6}
    assert "expected u64, found string" in wrong["message"]
    text = 'let w = instance("é😀"); w.ad'
    change = {"textDocument": {"uri": program, "version": 2}, "contentChanges": [{"text": text}]}
    editor.send("textDocument/didChange", change)
    assert [each["code"] for each in editor.findings()] == ["RIB0206"]
    # Editors count in UTF-16: the face is two.
    (add,) = editor.at("textDocument/completion", program, 0, 29)
    assert add["textEdit"]["newText"] == "add(0)"
    assert add["textEdit"]["range"]["start"] == {"line": 0, "character": 27}
    shown = editor.at("textDocument/hover", program, 0, 4)
    assert "instance" in shown["contents"]["value"]

    # What other languages take for the end of a line is none of an editor's.
    assert (
        editor.open(program, 'let s = "\u2028\x0c\x85"; let w = instance("a");\nlet x = 1;') == []
    )
    shown = editor.at("textDocument/hover", program, 0, 19)
    assert "instance" in shown["contents"]["value"]
    assert "u64" in editor.at("textDocument/hover", program, 1, 4)["contents"]["value"]
    # What is closed has nothing wrong with it, and nothing to tell.
    (_,) = editor.open(program, "1 +")
    editor.send("textDocument/didClose", {"textDocument": {"uri": program}})
    assert editor.findings() == []
    assert editor.at("textDocument/hover", program, 0, 0) is None
    assert editor.at("textDocument/completion", program, 0, 0) == []

    tests = (tmp_path / "some.rib").as_uri()
    (tmp_path / "mine.wasm").write_bytes(build("tiny").read_bytes())
    text = 'component mine from "mine.wasm";\ntest "a" {\n  let w = instance("a");\n  assert w.ge'
    assert [each["code"] for each in editor.open(tests, text)] == ["RIB0101"]
    assert "get[demo:tiny/api]()" in [
        each["textEdit"]["newText"] for each in editor.at("textDocument/completion", tests, 3, 13)
    ]
