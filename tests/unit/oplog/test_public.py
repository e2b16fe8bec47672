"""Entries as programs and as people see them."""

import pytest

from oplog import limits
from oplog.entries import Log, NoOp, Raw
from oplog.public import page, public, timestamp
from oplog.render import line, lines
from oplog.search import parse


def test_an_entry_is_plain_json_with_a_readable_time(make):
    entry = make.imported(response=b'{"a":[1]}', at_ms=1_764_000_000_007)

    view = public(3, entry)

    assert view.index == 3
    assert view.entry == {
        "type": "imported-function-invoked",
        "timestamp": "2025-11-24T16:00:00.007Z",
        "function": "now",
        "response": {"a": [1]},
        "kind": "read-local",
    }


def test_an_entry_without_time_shows_none():
    assert public(1, NoOp()).entry == {"type": "no-op"}
    assert line(1, NoOp()).split() == ["1", "no-op"]


def test_times_before_1970_are_shown_too():
    assert timestamp(-1) == "1969-12-31T23:59:59.999Z"


def test_a_page_ends_where_its_limit_is_and_says_where_to_go_on(run, make):
    async def body(world):
        log = await world.write([make.create(), NoOp()], [NoOp(), NoOp()])

        first = page(log, limit=3)
        assert ([entry.index for entry in first.entries], first.next) == ([1, 2, 3], 4)
        last = page(log, start=4, limit=3)
        assert ([entry.index for entry in last.entries], last.next) == ([4], None)

    run(body)


def test_a_page_holds_what_a_query_matches_only(run, make):
    async def body(world):
        log = await world.write([make.create()], [NoOp(), make.imported(), NoOp()])

        found = page(log, limit=1, query=parse("type:no-op"))
        assert ([entry.index for entry in found.entries], found.next) == ([2], 4)
        found = page(log, start=4, query=parse("type:no-op"))
        assert ([entry.index for entry in found.entries], found.next) == ([4], None)

    run(body)


def test_lines_are_aligned(make):
    text = list(lines([(9, NoOp(at_ms=1)), (10, make.imported(at_ms=2)), (123_456, NoOp())]))

    assert [shown.index("no-op") for shown in (text[0], text[2])] == [33, 33]
    assert text[1].index("imported-function-invoked") == 33


def test_a_call_reads_like_a_call(make):
    entry = make.imported("kv.{get}", request=Raw(b'["a",2]'), response=b"true")

    assert line(1, entry).endswith('kv.{get}("a",2) = true  read-local')
    assert line(1, make.imported()).endswith("now() = 1  read-local")


def test_a_long_value_is_cut(make):
    entry = make.imported(response=b'"' + b"x" * 10_000 + b'"')

    shown = line(1, entry)

    assert "x…  read-local" in shown
    assert len(shown) < limits.RENDER_CHARACTERS_MAX + 120


def test_a_value_in_the_blob_store_says_so(make):
    entry = make.imported(response=b'{"$blob":"payload/i/1-0","size":70000,"sha256":"00"}')

    assert "<70000 bytes in the blob store>" in line(1, entry)


@pytest.mark.parametrize("message", ["a\nb", "\x1b[31m", "\u202eabc", "\r", "\u2028"])
def test_output_can_neither_break_the_line_nor_command_the_terminal(message):
    assert line(1, Log(level="stdout", message=message)).isprintable()


def test_values_of_the_environment_stay_out_of_the_text(make):
    shown = line(1, make.create(env=(("TOKEN", "hunter2"),)))

    assert "env TOKEN" in shown
    assert "hunter2" not in shown
