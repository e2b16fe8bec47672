"""The packed index of keys."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oplog.key_index import EMPTY, KeyIndex, OutcomeRef


def refs(keys, base):
    return {key: OutcomeRef(base + at, 10 * (base + at)) for at, key in enumerate(keys)}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.text(max_size=8), max_size=20), max_size=12))
def test_it_finds_what_was_added_and_nothing_else(batches):
    index, known = EMPTY, {}
    for number, batch in enumerate(batches):
        new = refs(dict.fromkeys(key for key in batch if key not in known), 1000 * number + 1)
        index = KeyIndex(index.adding(new).segments)
        known |= new
    assert len(index) == len(known)
    assert {key: index.find(key) for key in known} == known
    assert index.find("\0 not there") is None


def test_there_are_few_segments_however_many_keys_were_added_one_by_one():
    index = EMPTY
    for number in range(2_000):
        index = index.adding(refs([f"key-{number}"], number + 1))
    assert len(index) == 2_000
    assert len(index.segments) <= 11
    assert index.find("key-1234") == OutcomeRef(1235, 12350)


def test_a_segment_that_is_cut_off_is_refused():
    index = EMPTY.adding(refs(["a", "b"], 1))
    with pytest.raises(ValueError, match="cut off"):
        KeyIndex((index.segments[0][:-1],))
