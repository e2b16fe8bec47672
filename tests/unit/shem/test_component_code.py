"""What `component get` says about code and memory."""

from shem.cli.component import _code_rows
from shem.records import ComponentCode, CoreModule


def module(code_size, users):
    return CoreModule(digest="0" * 64, size=1000, code_size=code_size, users=users)


def test_shares_and_workers_are_named_where_there_are_any():
    code = ComponentCode(
        modules=(module(3 << 20, 4), module(1 << 20, 1)),
        code_size=4 << 20,
        shared_size=3 << 20,
        memory_size=1 << 16,
        instances=2,
        instances_size=1 << 20,
    )
    rows = _code_rows(code)
    assert rows["code"].startswith("2 core modules, 4")
    assert "75% shared with 3 others" in rows["code"]
    assert "2 in memory take 1" in rows["memory"]


def test_a_component_alone_shares_nothing():
    rows = _code_rows(ComponentCode(modules=(module(1 << 20, 1),), code_size=1 << 20))
    assert "shared" not in rows["code"]
    assert "in memory" not in rows["memory"]
    assert _code_rows(ComponentCode()) == {}
