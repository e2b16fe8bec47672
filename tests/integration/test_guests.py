"""The guests do what their interface says, on wasmtime's own component runtime and its own WASI."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from wasmtime.component import Instance, Linker, Record, Variant

from tests.support.compiler import Compiler

Call = Callable[..., Any]


class Running:
    """An instance of a guest on wasmtime; output goes to a file."""

    def __init__(self, compiler: Compiler, name: str, output: Path) -> None:
        self.store = wasmtime.Store(compiler.engine)
        wasi = wasmtime.WasiConfig()
        wasi.stdout_file = str(output)
        self.store.set_wasi(wasi)
        linker = Linker(compiler.engine)
        linker.add_wasip2()
        self.instance: Instance = linker.instantiate(self.store, compiler.component(name))
        self.output = output

    def call(self, interface: str, function: str, *arguments: Any) -> Any:
        within = self.instance.get_export_index(self.store, interface)
        index = self.instance.get_export_index(self.store, function, within)
        found = self.instance.get_func(self.store, index) if index else None
        assert found is not None, f"{interface} has no {function}"
        result = found(self.store, *arguments)
        with contextlib.suppress(AttributeError):
            found.post_return(self.store)
        return result


@pytest.fixture(scope="session")
def compiler() -> Compiler:
    return Compiler()


@pytest.fixture(params=["load", "counter"])
def guest(request: pytest.FixtureRequest, compiler: Compiler, tmp_path: Path) -> Running:
    return Running(compiler, request.param, tmp_path / "output")


@pytest.fixture
def api(guest: Running) -> Call:
    return lambda function, *arguments: guest.call("demo:counter/api", function, *arguments)


@pytest.fixture
def check(compiler: Compiler, tmp_path: Path) -> Call:
    load = Running(compiler, "load", tmp_path / "output")
    return lambda function, *arguments: load.call("demo:load/check", function, *arguments)


def item(name: str, quantity: int, price: float) -> Record:
    record = Record()
    record.name, record.quantity, record.price = name, quantity, price
    return record


def test_the_counter_adds_and_remembers(api: Call) -> None:
    assert api("get") == 0
    assert api("add", 5) == 5
    assert api("add", 2**64 - 1) == 4
    assert api("get") == 4


def test_the_counter_remembers_what_it_rolled(api: Call) -> None:
    assert api("rolled") == 0
    drawn = [api("roll") for _ in range(4)]
    assert len(set(drawn)) == 4
    assert api("rolled") == drawn[-1]


def test_the_counter_tells_the_time(api: Call) -> None:
    before = time.time_ns() // 1_000_000
    told = api("now")
    assert before <= told <= time.time_ns() // 1_000_000


def test_the_counter_writes_a_bill(api: Call) -> None:
    answer = api("describe", [item("nut", 3, 0.25), item("bølt", 1, 10.0)])
    assert (answer.tag, answer.payload) == ("ok", "3 x nut, 1 x bølt: 10.75")


def test_an_empty_bill_is_an_error(api: Call) -> None:
    answer = api("describe", [])
    assert (answer.tag, answer.payload) == ("err", "no items")


def test_the_counter_prints_a_line_of_any_length(api: Call, guest: Running) -> None:
    api("say", "hello")
    api("say", "x" * 9000)
    assert guest.output.read_text() == "hello\n" + "x" * 9000 + "\n"


def test_the_counter_sleeps_as_long_as_it_is_told(api: Call) -> None:
    api("add", 7)
    started = time.monotonic()
    assert api("nap", 30) == 7
    assert time.monotonic() - started >= 0.03


def test_the_counter_fails_when_asked(api: Call) -> None:
    with pytest.raises((wasmtime.Trap, wasmtime.WasmtimeError, wasmtime.ExitTrap)):
        api("fail")


def test_busy_computes_the_same_each_time(api: Call) -> None:
    assert api("busy", 2) == api("busy", 2)
    assert api("busy", 1) != api("busy", 2)


def test_grown_memory_is_kept(api: Call) -> None:
    assert api("grow", 100_000) == 100_000
    assert api("grow", 50_000) == 150_000


def test_steps_in_order_are_no_violations(check: Call) -> None:
    assert [check("step", 3, n) for n in (1, 2, 3)] == [0, 0, 0]
    assert check("step", 4, 1) == 0


@pytest.mark.parametrize("steps", [(1, 3), (1, 2, 2), (1, 2, 1), (2,)])
def test_a_lost_doubled_or_reordered_step_is_a_violation(
    check: Call, steps: tuple[int, ...]
) -> None:
    assert [check("step", 0, n) for n in steps][-1] == 1


def test_the_load_guest_traps_when_asked(check: Call) -> None:
    with pytest.raises(wasmtime.WasmtimeError):
        check("trap")


def test_the_tiny_guest_counts(compiler: Compiler, tmp_path: Path) -> None:
    tiny = Running(compiler, "tiny", tmp_path / "output")
    assert tiny.call("demo:tiny/api", "add", 5) == 5
    assert tiny.call("demo:tiny/api", "get") == 5


@pytest.mark.timeout(300)  # it may be the one that builds the guest
def test_a_typed_python_class_takes_and_gives_values_of_its_own_classes(
    compiler: Compiler, tmp_path: Path
) -> None:
    cart = Running(compiler, "typed", tmp_path / "output")

    def call(function: str, *arguments: Any) -> Any:
        return cart.call("demo:cart/api", function, *arguments)

    def item(name: str, quantity: int, color: str | None = None) -> Record:
        made = Record()
        made.name, made.quantity, made.color = name, quantity, color
        return made

    added = call("add", item("nut", 3, "dark-blue"))
    assert [(each.name, each.quantity, each.color) for each in added] == [("nut", 3, "dark-blue")]
    assert call("add", item("bolt", 0)) == "nothing of it"
    assert call("counts") == [("nut", 3)]
    assert call("flip", (7, "a"), b"bc") == ("abc", 7)
    assert call("paint", "red") == "dark-blue"
    assert call("reshape", Variant("nothing"), set()) is None
    shape = call("reshape", Variant("item", item("nut", 1)), {"write"})
    assert (shape.tag, shape.payload.name) == ("item", "nut")
    basket = call("[constructor]basket", "eve")
    assert call("[method]basket.put", basket, item("nut", 1)) == 1
    assert call("owner", basket) == "eve"
    same = call("same", basket)
    assert call("[method]basket.put", same, item("nut", 1)) == 2
    assert call("owner", call("[static]basket.gift")) == "gift"
