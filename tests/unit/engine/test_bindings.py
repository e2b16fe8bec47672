"""The check that wasmtime is the one whose structures the bindings describe."""

import pytest

from actors.engine import bindings
from actors.engine.errors import EngineInternalError
from actors.engine.traps import guest_trap


def test_the_installed_wasmtime_has_the_expected_layouts():
    bindings.check_layouts()


def test_another_version_is_refused(monkeypatch):
    monkeypatch.setattr(bindings, "WASMTIME_VERSION", "1.2.3")
    with pytest.raises(EngineInternalError, match=r"install wasmtime==1\.2\.3"):
        bindings.check_layouts()


def test_a_structure_of_another_size_is_refused(monkeypatch):
    declared = bindings._bindings

    class Smaller:
        def __getattr__(self, name):
            if name == "wasmtime_val":
                return declared.wasmtime_extern_union
            return getattr(declared, name)

    monkeypatch.setattr(bindings, "_bindings", Smaller())
    with pytest.raises(EngineInternalError, match="wasmtime_val has 24 bytes, expected 32"):
        bindings.check_layouts()


@pytest.mark.parametrize(
    ("text", "message", "kind"),
    [
        (
            "error while executing at wasm backtrace:\n  0: f\n\nCaused by:\n  integer overflow",
            "integer overflow",
            "arithmetic",
        ),
        (
            "Caused by:\n    0: first\n    1: wasm trap: call stack exhausted",
            None,
            "stack-overflow",
        ),
        ("something new", "something new", "other"),
        ("", "the guest failed without a message", "other"),
    ],
)
def test_texts_of_wasmtime_become_traps_with_a_kind(text, message, kind):
    found = guest_trap(text)
    assert found.kind == kind
    assert str(found) == (message or "call stack exhausted")
    assert ("backtrace" in found.backtrace) == ("backtrace" in text)
