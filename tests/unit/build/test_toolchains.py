"""What `shem app diagnose` tells about tools: those that are there, and how to get the others."""

from pathlib import Path

import pytest

from shem.build import toolchains
from shem.build.toolchains import tools_of
from shem.manifest.application import load


def tools(folder: Path, command: str) -> dict[str, tuple[bool, str]]:
    (folder / "shem.yaml").write_text(
        f"components: {{demo:a: {{build: [{{command: '{command}'}}]}}}}\n"
    )
    found = tools_of(load(folder / "shem.yaml"))
    return {each.name: (each.path is not None, each.how) for each in found}


def test_a_module_of_python_is_a_tool_of_its_own(tmp_path: Path) -> None:
    assert tools(tmp_path, "python -m ziglang cc x.c")["python -m ziglang"] == (
        True,
        "pip install ziglang",
    )
    assert tools(tmp_path, "python -m no_such_module x")["python -m no_such_module"] == (
        False,
        "pip install no_such_module",
    )


def test_a_target_of_rust_is_a_tool_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchains, "environment_of_tools", lambda: {"PATH": str(tmp_path)})

    assert tools(tmp_path, "cargo build --target wasm32-wasip2") == {
        "cargo": (False, "install Rust by rustup, and `rustup target add wasm32-wasip2`"),
        "rust target wasm32-wasip2": (False, "rustup target add wasm32-wasip2"),
    }


def test_an_unknown_program_is_told_as_it_is(tmp_path: Path) -> None:
    assert tools(tmp_path, "frobnicate x") == {
        "frobnicate": (False, "install `frobnicate` and put it on PATH")
    }
