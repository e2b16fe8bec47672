"""Core modules of WASI preview 1, on a host that is not ours: what each function answers there.

The transcript is golden; `tests/replay/rows.py` asks the same of our own host, with crashes.
"""

from pathlib import Path

import pytest
import wasmtime
from wasmtime import component as oracle

from tests.guests.build import build

GOLDEN = Path(__file__).parents[1] / "golden" / "preview1" / "transcript.txt"
API = "demo:old-wasi/api"


@pytest.fixture
def store(tmp_path: Path) -> wasmtime.Store:
    (tmp_path / "root").mkdir()
    store = wasmtime.Store(wasmtime.Engine())
    config = wasmtime.WasiConfig()
    config.preopen_dir(str(tmp_path / "root"), "/")
    config.stdout_file = str(tmp_path / "out")
    config.stderr_file = str(tmp_path / "err")
    store.set_wasi(config)
    return store


def called(store: wasmtime.Store, name: str, *arguments: object) -> object:
    component = oracle.Component(store.engine, build("preview1").read_bytes())
    linker = oracle.Linker(store.engine)
    linker.add_wasip2()
    instance = linker.instantiate(store, component)
    interface = component.get_export_index(API)
    function = instance.get_func(store, component.get_export_index(name, interface))
    return function(store, *arguments)


def test_every_function_answers_as_it_should(store: wasmtime.Store, tmp_path: Path) -> None:
    assert called(store, "transcript") == GOLDEN.read_text()
    assert (tmp_path / "out").read_text() == "hello\n"
    assert (tmp_path / "err").read_text() == "hel"
    assert not list((tmp_path / "root").iterdir())


@pytest.mark.parametrize("status", [0, 3])
def test_the_end_of_the_program_is_told(store: wasmtime.Store, status: int) -> None:
    with pytest.raises((wasmtime.ExitTrap, wasmtime.WasmtimeError)):
        called(store, "leave", status)
