"""What a component imports from this host, against the types that the host declares."""

import pytest

from actors.host.declared import ImportTypesError, declared_functions, require_declared_types
from actors.host.table import TABLE
from wit.text.parser import parse
from wit.text.resolver import ALL_FEATURES, resolve


def world_of(text):
    return resolve([[parse(text)]], features=ALL_FEATURES).world("guest")


def test_everything_that_the_host_serves_is_declared():
    for name, interface in TABLE.items():
        assert set(interface.functions) == set(declared_functions()[name])


def test_other_names_of_parameters_and_another_patch_are_the_same_interface():
    require_declared_types(
        world_of("""
            package demo:guest;
            world guest { import wasi:clocks/monotonic-clock@0.2.9; }
            package wasi:io@0.2.9 {
                interface poll { resource pollable; }
            }
            package wasi:clocks@0.2.9 {
                interface monotonic-clock {
                    use wasi:io/poll@0.2.9.{pollable};
                    type moment = u64;
                    now: func() -> moment;
                    subscribe-duration: func(how-long: u64) -> pollable;
                }
            }
        """)
    )


def test_each_function_with_other_types_is_named_with_both():
    world = world_of("""
        package demo:guest;
        world guest { import wasi:random/random@0.2.0; import wasi:clocks/wall-clock@0.2.0; }
        package wasi:random@0.2.0 {
            interface random {
                get-random-bytes: func(len: u32) -> list<u8>;
                get-random-u64: func() -> u64;
            }
        }
        package wasi:clocks@0.2.0 {
            interface wall-clock {
                record datetime { seconds: u64, nanos: u32 }
                now: func() -> datetime;
            }
        }
    """)
    with pytest.raises(ImportTypesError) as caught:
        require_declared_types(world)
    assert str(caught.value) == (
        "imports with other types than this host's: "
        "wasi:random/random@0.2.0#get-random-bytes is func(len: u32) -> list<u8>, "
        "expected func(len: u64) -> list<u8>; "
        "wasi:clocks/wall-clock@0.2.0#now is "
        "func() -> datetime with record datetime { seconds: u64, nanos: u32 }, "
        "expected func() -> datetime with record datetime { seconds: u64, nanoseconds: u32 }"
    )


def test_a_resource_of_another_interface_is_another_type():
    world = world_of("""
        package demo:guest;
        world guest { import wasi:clocks/monotonic-clock@0.2.0; }
        package wasi:clocks@0.2.0 {
            interface monotonic-clock {
                resource pollable;
                subscribe-instant: func(when: u64) -> pollable;
            }
        }
    """)
    with pytest.raises(ImportTypesError, match="subscribe-instant"):
        require_declared_types(world)


def test_what_the_host_does_not_serve_is_none_of_its_business():
    require_declared_types(
        world_of("""
            package demo:guest;
            interface other { now: func(); }
            world guest { import other; }
        """)
    )
