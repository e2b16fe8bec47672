"""The host functions against the WIT packages that declare them."""

import inspect

import pytest

from actors.host.http.errors import ERROR_CODE
from actors.host.interface import Kind
from actors.host.table import TABLE
from wit.subtype import same_type
from wit.type_walk import walk
from wit.types import Borrow, Own

# What components export, for the host to call.
EXPORTED = {"wasi:cli/run", "wasi:http/incoming-handler"}


def test_every_declared_interface_is_served_and_the_other_way_round(declared):
    assert {name for name in declared if name.startswith("wasi:")} - EXPORTED == {
        name for name in TABLE if name.startswith("wasi:")
    }


@pytest.mark.parametrize("name", sorted(TABLE))
def test_an_interface_has_all_its_functions_and_no_others(declared, name):
    assert set(declared[name]) == set(TABLE[name].functions)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_implementations_take_the_declared_number_of_arguments(declared, name):
    for function in TABLE[name].functions.values():
        wanted = len(declared[name][function.name].parameters)
        parameters = list(inspect.signature(function.run).parameters.values())
        if parameters[-1].kind is not inspect.Parameter.VAR_POSITIONAL:
            assert len(parameters) == 1 + wanted, function.name


def test_what_is_recorded_holds_no_resources(declared):
    for name, interface in TABLE.items():
        for function in interface.functions.values():
            result = declared[name][function.name].result
            if function.kind is not Kind.PURE and result is not None:
                parts = walk(result)
                assert not any(isinstance(part, Own | Borrow) for part in parts), function.name


def test_drops_are_of_declared_resources(declared):
    for name, interface in TABLE.items():
        own = {
            part.resource.name
            for function in declared[name].values()
            for type_ in (*(one.type for one in function.parameters), function.result)
            if type_ is not None
            for part in walk(type_)
            if isinstance(part, Own | Borrow)
        }
        assert set(interface.drops) <= own


def test_recorded_error_codes_of_http_are_the_declared_ones(declared):
    handle = declared["wasi:http/outgoing-handler"]["handle"].result
    assert same_type(handle.err, ERROR_CODE)
