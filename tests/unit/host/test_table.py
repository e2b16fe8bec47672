"""The durability table and the resolver over it."""

import inspect
import os
from pathlib import Path

import pytest

from actors.engine.port import HostCall
from actors.host.interface import HostInterface, Kind
from actors.host.resolver import TableResolver, is_compatible
from actors.host.table import TABLE, render, table_of
from wit.types import FunctionType, ResourceName

PAGE = Path(__file__).parents[3] / "docs" / "DURABILITY.md"
NO_TYPE = FunctionType(parameters=())
FUNCTIONS = [function for one in TABLE.values() for function in one.functions.values()]


def test_the_page_shows_the_table():
    """Run with SHEM_UPDATE_DOCS=1 to write the page anew."""
    if os.environ.get("SHEM_UPDATE_DOCS"):
        PAGE.write_text(render(TABLE), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == render(TABLE)


def test_blocking_functions_and_no_others_are_coroutine_functions():
    for function in FUNCTIONS:
        assert inspect.iscoroutinefunction(function.run) == function.blocking, function.name


def test_what_waits_is_blocking():
    for function in FUNCTIONS:
        assert function.blocking or function.kind is not Kind.BLOCKING, function.name


def test_an_interface_stands_in_a_table_once():
    with pytest.raises(AssertionError, match="twice"):
        table_of([HostInterface("a:b/c"), HostInterface("a:b/c")])


@pytest.mark.parametrize(
    ("offered", "wanted", "expected"),
    [
        ("0.2.9", "0.2.0", True),
        ("0.2.3", "0.2.12", True),
        ("0.2.9", "0.3.0", False),
        ("0.2.9", "0.2.0-rc-2023-11-10", False),
        ("0.2.0-draft", "0.2.0-draft", True),
        ("0.2.0-draft", "0.2.0", False),
        ("1.4.0", "1.0.0", True),
        ("1.4.0", "2.0.0", False),
        ("0.0.1", "0.0.2", False),
        ("0.1.0", None, False),
        (None, "0.1.0", False),
        (None, None, True),
        ("0.2.9", "latest", False),
    ],
)
def test_versions_are_compatible_by_their_first_number_that_is_not_zero(offered, wanted, expected):
    assert is_compatible(offered, wanted) is expected


def resolver(bound):
    def bind(function, type_, name):
        bound.append((function, type_, name))
        return HostCall(run=function.run, blocking=function.blocking)

    return TableResolver(bind)


def test_any_patch_version_is_served_and_bound_under_the_imported_name():
    bound = []
    call = resolver(bound).function("wasi:io/poll@0.2.3", "poll", NO_TYPE)
    assert call is not None
    assert call.blocking
    [(function, type_, name)] = bound
    assert function.kind is Kind.BLOCKING
    assert (type_, name) == (NO_TYPE, "wasi:io/poll@0.2.3#poll")


@pytest.mark.parametrize(
    ("interface", "name"),
    [
        ("wasi:io/poll@0.3.0", "poll"),
        ("wasi:io/poll", "poll"),
        ("wasi:io/poll@0.2.9", "pol"),
        ("wasi:nothing/here@0.2.0", "poll"),
        (None, "poll"),
    ],
)
def test_what_is_not_offered_is_not_found(interface, name):
    bound = []
    assert resolver(bound).function(interface, name, NO_TYPE) is None
    assert bound == []


def test_dropping_a_stream_closes_it(context):
    class Closing:
        closed = False

        def close(self, context):
            self.closed = True

    one = Closing()
    drop = resolver([]).drop(ResourceName("input-stream", "wasi:io/streams@0.2.1"))
    assert drop is not None
    drop(context, one)
    assert one.closed


def test_dropping_a_resource_without_consequences_does_nothing(context):
    drop = resolver([]).drop(ResourceName("error", "wasi:io/error@0.2.1"))
    assert drop is not None
    assert drop(context, object()) is None


def test_a_resource_of_an_unknown_interface_has_no_drop():
    assert resolver([]).drop(ResourceName("thing", "other:pkg/iface@0.2.0")) is None
    assert resolver([]).drop(ResourceName("thing")) is None
