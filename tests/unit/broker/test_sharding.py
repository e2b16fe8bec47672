"""Which stream holds what, and under which name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import subjects
from broker.errors import InternalError
from broker.layout import is_captured, matches, stored_subject
from broker.permissions import Role, permissions_of
from broker.sharding import Sharding, mappings_text, stream_name

NAMES = st.text(min_size=1, max_size=12)
SHARDINGS = st.builds(Sharding, st.integers(1, 40), st.integers(1, 9))


@given(SHARDINGS, NAMES, NAMES)
def test_all_that_concerns_a_worker_lies_in_one_stream_that_takes_it_in(sharding, component, name):
    partitions = sharding.partitions
    (stream,) = sharding.streams_of(subjects.log(component, name, partitions))
    everything = [
        subjects.snapshot(component, name, partitions),
        subjects.mailbox(component, name, partitions),
        subjects.invoke(component, name),
        subjects.reply(component, name),
        subjects.control(component, name),
        subjects.schedule(component, name, "x"),
    ]
    taken = sharding.subjects(stream)
    for subject in everything:
        assert sharding.stream_of_subject(subject) == stream
        # One stream sorts by itself, several are given what the account has sorted.
        kept = sharding.stored(subject)
        assert any(matches(pattern, kept.replace("*", "invoke")) for pattern in taken)


@given(SHARDINGS, NAMES, NAMES, NAMES)
def test_schedules_are_shown_as_they_were_made(sharding, component, name, id_):
    subject = subjects.schedule(component, name, subjects.encode_token(id_))
    assert sharding.shown(sharding.stored(subject)) == subject
    assert is_captured(sharding.stored(subject))
    log = subjects.log(component, name, sharding.partitions)
    assert sharding.shown(log) == log


@given(SHARDINGS)
def test_each_partition_is_taken_in_once(sharding):
    if sharding.is_single:
        return
    taken = [each for number in range(sharding.streams) for each in sharding.subjects(number)]
    assert len(taken) == len(set(taken)) == sharding.partitions + 1


def test_a_pattern_over_all_workers_may_lie_anywhere():
    sharding = Sharding(8, 3)
    for pattern in (subjects.LOGS, "shem.sched.c.*.x", subjects.logs_of_component("c")):
        assert sharding.streams_of(pattern) == (0, 1, 2)
        with pytest.raises(InternalError, match="name a partition"):
            sharding.stream_of_subject(pattern)
        with pytest.raises(InternalError, match="name a partition"):
            sharding.starts(pattern, 5)
    assert sharding.starts(subjects.LOGS, [4, 5, 6]) == (4, 5, 6)
    assert sharding.streams_of(subjects.logs_of(4)) == (1,)
    assert sharding.streams_of(subjects.client_messages("*")) == (0,)


def test_names_of_nothing_are_refused():
    for subject in ("elsewhere.x", "shem", "shem.result.a.b"):
        with pytest.raises(InternalError, match="no stream takes in"):
            Sharding(8, 3).streams_of(subject)


def test_the_first_stream_keeps_its_name():
    assert Sharding(4, 3).names == ("SHEM_OPLOG", "SHEM_OPLOG_1", "SHEM_OPLOG_2")
    assert stream_name(0) == subjects.STREAM


def test_the_account_sorts_into_the_same_mailboxes_as_the_stream():
    text = mappings_text(16)
    for kind in ("invoke", "reply", "control"):
        where = "shem.oplog.{{partition(16,1,2)}}.{{wildcard(1)}}.{{wildcard(2)}}.in." + kind
        assert f'"shem.{kind}.*.*": "{where}"' in text
    place = subjects.partition_of("c", "w", 16)
    assert stored_subject("shem.invoke.c.w", 16) == f"shem.oplog.{place}.c.w.in.invoke"


def test_nobody_may_delete_any_of_the_streams():
    for role in Role:
        granted = permissions_of(role, "_INBOX.x", streams=3)
        for number in range(3):
            delete = f"$JS.API.STREAM.DELETE.{stream_name(number)}"
            may = any(matches(pattern, delete) for pattern in granted.publish)
            # Operators may: to make room for a backup.
            assert role is Role.OPERATOR or not may or delete in granted.publish_denied
