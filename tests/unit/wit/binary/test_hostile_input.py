"""Whatever the bytes are: a world, or BinaryError with an offset inside the file."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wasmtime import wat2wasm

from wit.binary import parse
from wit.component import describe
from wit.errors import BinaryError
from wit.world import World

bounded = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PREAMBLE = b"\0asm\x0d\0\x01\0"
EXOTIC = bytes(
    wat2wasm(
        """(component
          (core type (module (import "a" "b" (func (param i32))) (export "t" (table 1 funcref))))
          (type (component (import "x" (func)) (export "y" (type (sub resource)))))
          (type (stream u8)) (type (future)) (type (map string u32)) (type (list u8 4))
          (core func (canon stream.read 1 async)) (core func (canon task.return (result u32)))
          (component $c (component $d (import "t" (type (sub resource))) (export "t" (type 0))))
          (import "a:b/c@1.0.0" (instance $i (export "r" (type (sub resource)))))
          (alias export $i "r" (type $r))
          (import "f" (func async (param "x" (own $r)))))"""
    )
)


def assert_world_or_error(data):
    try:
        outcome = describe(data)
    except BinaryError as error:
        outcome = error.offset
    assert isinstance(outcome, World) or 0 <= outcome <= len(data)


def mutated(data, edits):
    changed = bytearray(data)
    for position, byte in edits:
        changed[position % len(changed)] = byte
    return bytes(changed)


edits = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=4)


def test_every_truncation_is_refused_or_described(rich):
    for size in range(len(rich)):
        assert_world_or_error(rich[:size])
    for size in range(len(EXOTIC)):
        assert_world_or_error(EXOTIC[:size])


def test_every_single_byte_may_be_any_small_change_of_itself(rich):
    for data in (rich, EXOTIC):
        for position in range(8, len(data)):
            for change in (1, 0x80):
                byte = (data[position] + change) % 256
                assert_world_or_error(mutated(data, [(position, byte)]))


@bounded
@given(edits)
def test_flipped_bytes_of_a_rich_component_give_a_world_or_an_error(rich, edits):
    assert_world_or_error(mutated(rich, edits))


@bounded
@given(edits)
def test_flipped_bytes_of_an_exotic_component_give_a_world_or_an_error(edits):
    assert_world_or_error(mutated(EXOTIC, edits))


@bounded
@given(st.binary(max_size=200))
def test_rubbish_after_the_preamble_gives_a_world_or_an_error(data):
    assert_world_or_error(PREAMBLE + data)


@bounded
@given(st.integers(0, 1 << 20), st.integers(1, 64))
def test_a_component_with_a_piece_cut_out_gives_a_world_or_an_error(rich, start, size):
    start %= len(rich)
    assert_world_or_error(rich[:start] + rich[start + size :])


def test_sections_may_be_repeated(rich):
    assert_world_or_error(rich + rich[8:])


def test_the_exotic_component_is_valid():
    assert describe(EXOTIC).import_functions[0].type.is_async
    assert parse(EXOTIC).end == len(EXOTIC)
