"""What `shem secret set` takes for a value."""

import io
import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from actors.secrets import KeyRing
from shem.cli import secret
from shem.cli.app import app
from shem.cli.output import Format, Output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def read(monkeypatch: pytest.MonkeyPatch, given: bytes, file: Path | None = None) -> str:
    # As Python opens it where no language is set: bytes that are no text become half characters.
    stdin = io.TextIOWrapper(io.BytesIO(given), encoding="utf-8", errors="surrogateescape")
    monkeypatch.setattr(sys, "stdin", stdin)
    return secret._read(Output(Format.TEXT), file)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        (b"key", "key"),
        (b"key\n", "key"),
        (b"key\r\n", "key"),
        (b"key\n\n", "key\n"),
        (b" key ", " key "),
        ("schlüssel\n".encode(), "schlüssel"),
        (b"-----BEGIN KEY-----\r\nabc\r\n", "-----BEGIN KEY-----\r\nabc"),
    ],
)
def test_a_value_is_what_was_given_but_for_one_line_break(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: bytes, value: str
) -> None:
    assert read(monkeypatch, given) == value
    file = tmp_path / "value"
    file.write_bytes(given)
    assert read(monkeypatch, b"", file) == value


@pytest.mark.parametrize("given", [b"", b"\n", b"\xff\xfe"])
def test_nothing_and_what_is_no_text_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: bytes
) -> None:
    with pytest.raises(typer.Exit):
        read(monkeypatch, given)
    assert "(cannot-read)" in capsys.readouterr().err


def test_nobody_sees_what_is_typed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(secret, "getpass", lambda _: "typed")
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert secret._read(Output(Format.TEXT), None) == "typed"


def test_a_new_key_is_named_and_the_file_stays_who_could_read_it(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    names: list[str] = []
    for count in (1, 2):
        done = CliRunner().invoke(app, ["secret", "keygen", str(file), "-o", "json"])
        assert done.exit_code == 0, done.output
        names.append(json.loads(done.stdout)["key"])
        assert names[-1] == KeyRing.of_file(file).first
        assert len(file.read_text().splitlines()) == count
        assert file.stat().st_mode & 0o777 == (0o600 if count == 1 else 0o640)
        file.chmod(0o640)
    assert len(set(names)) == 2

    file.write_text("no key\n")
    done = CliRunner().invoke(app, ["secret", "keygen", str(file)])
    assert done.exit_code == 1
    assert "line 1" in done.stderr
    assert file.read_text() == "no key\n"
    assert [each.name for each in tmp_path.iterdir()] == ["keys"]
