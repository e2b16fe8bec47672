"""Keys that are derived from keys."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from actors.keys import Keys, derived_key
from oplog.key_index import RECORD_BYTES, OutcomeRef

NAMESPACE = uuid.UUID("9c19b15a-c83d-46f7-9bc3-ead7923733f4")
KEYS = st.one_of(
    st.text(max_size=60),
    st.uuids().map(str),
    st.uuids().map(lambda key: key.hex),
    st.uuids().map(lambda key: key.urn.upper()),
    st.text("0123456789abcdefABCDEF-{}_ +", min_size=30, max_size=40),
)


@given(KEYS, st.uuids().map(lambda incarnation: incarnation.hex), st.integers(1, 2**63))
def test_a_derived_key_is_the_uuid_of_a_name_in_the_key_for_ever(key, incarnation, index):
    try:
        base = uuid.UUID(key)
    except ValueError:
        base = uuid.uuid5(NAMESPACE, key)
    named = uuid.uuid5(base, f"{incarnation}:oplog-index-{index}")
    assert derived_key(key, incarnation, index) == str(named)


def test_keys_that_were_derived_once_are_derived_again():
    assert derived_key("order-17", "i", 3) == "55abfeb3-1a5a-53e4-9c2a-d4dca4376654"
    assert (
        derived_key(derived_key("order-17", "i", 3), "j", 4)
        == "7de7ca95-4870-5913-9472-3fcca450efb0"
    )


def test_keys_are_known_and_take_less_memory_when_they_are_packed():
    refs = {f"order-{number}": OutcomeRef(number, number) for number in range(1_000)}
    keys = Keys(refs, invoked=0)
    loose = keys.memory_bytes
    assert loose > 150 * len(refs)

    keys.packed(invoked=0)
    assert keys.memory_bytes == RECORD_BYTES * len(refs)
    assert "order-7" in keys
    assert "order-1000" not in keys
    assert keys.where("order-999") == OutcomeRef(999, 999)
