"""What is accepted and what is refused: the same as by wasmtime's validator, section by section."""

import re

import pytest
import wasmtime
from verdict_cases import SECTIONS
from wasmtime import component as oracle

from actors.engine.engine import prepare
from actors.engine.errors import ComponentError

# What this engine can do and wasmtime, in its usual configuration, cannot.
OURS_ALONE = re.compile(
    "more than 32 flags|Fixed-length lists require|Maps require|reexport of an imported function"
    "|exporting a component from the root"
)
# What a host of this engine never provides.
THEIRS_ALONE = re.compile("is a core module, expected a function, an instance or a type")


@pytest.fixture(scope="module")
def oracle_engine():
    return wasmtime.Engine()


def refusals(engine, text):
    """Return why wasmtime refuses, and why this engine does; None if it does not."""
    data = bytes(wasmtime.wat2wasm(f"(component {text})"))
    theirs = ours = None
    try:
        oracle.Component(engine, data)
    except wasmtime.WasmtimeError as error:
        theirs = str(error)
    try:
        prepare(data)
    except ComponentError as error:
        ours = str(error)
    return theirs, ours


@pytest.mark.parametrize("section", SECTIONS)
def test_verdicts_are_those_of_the_oracle(oracle_engine, section):
    accepted = wrong = 0
    for name, text in SECTIONS[section].items():
        theirs, ours = refusals(oracle_engine, text)
        accepted += ours is None
        if ours is not None:
            assert "(at byte 0x" in ours, f"{name}: no place in {ours!r}"
        if theirs is not None and ours is None and OURS_ALONE.search(theirs):
            continue
        if theirs is None and ours is not None and THEIRS_ALONE.search(ours):
            continue
        if (theirs is None) != (ours is None):
            wrong += 1
            print(f"{name}\n  wasmtime: {theirs}\n  here: {ours}")
    assert not wrong, f"{wrong} verdicts differ"
    # Cases that are all of one kind would show nothing.
    assert 0 < accepted < len(SECTIONS[section])
