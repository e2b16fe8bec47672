"""Names on the wire: bucket keys, message ids, stored subjects, times."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import subjects
from broker.errors import InternalError
from broker.jetstream.ack import AckToken, ack_token
from broker.jetstream.headers import (
    decode_message_id,
    encode_message_id,
    user_headers,
    with_user_headers,
)
from broker.jetstream.journal import schedule_time
from broker.jetstream.keys import decode_key, encode_key
from broker.jetstream.reader import parse_time
from broker.layout import STREAM_SUBJECTS, is_captured, matches, stored_subject
from broker.versions import SERVER_VERSION_MIN, missing_features, parse_version

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT)
def test_every_key_is_one_token_and_comes_back(key):
    token = encode_key(key)
    assert token
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_/-=")
    assert decode_key(token) == key


def test_plain_keys_stay_readable():
    assert encode_key("counter/alice-1") == "counter/alice-1"


@given(TEXT)
def test_every_message_id_is_printable_and_comes_back(message_id):
    text = encode_message_id(message_id)
    assert text == text.strip()
    assert all(32 < ord(character) < 127 for character in text)
    assert decode_message_id(text) == message_id


@given(TEXT, TEXT)
def test_message_ids_stay_distinct(one, other):
    assert (encode_message_id(one) == encode_message_id(other)) == (one == other)


def test_only_the_users_headers_and_the_message_id_show():
    stored = {"Nats-Msg-Id": "a%20b", "Nats-Expected-Last-Subject-Sequence": "1", "Shem-Key": "k"}
    assert user_headers(stored) == {"Nats-Msg-Id": "a b", "Shem-Key": "k"}


@pytest.mark.parametrize("headers", [{"Nats-TTL": "1s"}, {"Key": "a\nb"}])
def test_headers_that_would_disturb_the_broker_are_our_bug(headers):
    with pytest.raises(InternalError):
        with_user_headers({}, headers)


@given(TEXT, TEXT, st.sampled_from([1, 8, 64]))
def test_where_a_message_is_stored_is_where_its_mailbox_is_read(component, worker, partitions):
    if component and worker:
        for publish in (subjects.invoke, subjects.reply, subjects.control):
            subject = publish(component, worker)
            stored = stored_subject(subject, partitions)
            assert is_captured(subject)
            assert matches(subjects.mailbox(component, worker, partitions), stored)


@pytest.mark.parametrize(
    "subject",
    [
        *["shem.invoke.a.b", "shem.reply.a.b", "shem.control.a.b", "shem.sched.a.b.1"],
        *["shem.oplog.1.a.b.log", "shem.invoke.a", "shem.invoke.a.b.c", "shem.sched.a.b"],
        *["shem.call.a.b", "shem", "other.invoke.a.b", "shem.result.a.b", "shem.oplogs.x"],
    ],
)
def test_what_the_stream_takes_in_is_what_its_subjects_say(subject):
    assert is_captured(subject) == any(matches(pattern, subject) for pattern in STREAM_SUBJECTS)


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("a.b", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("*.b", "a.c", False),
        (">", "a", True),
    ],
)
def test_patterns(pattern, subject, expected):
    assert matches(pattern, subject) is expected


def test_times_keep_their_nanoseconds():
    assert parse_time("2023-11-14T22:13:20.123456789Z") == 1_700_000_000_123_456_789
    assert parse_time("2023-11-14T22:13:20Z") == 1_700_000_000_000_000_000
    assert parse_time("2023-11-14T22:13:20.5Z") == 1_700_000_000_500_000_000
    assert schedule_time(1_700_000_000_000_000_001) == "@at 2023-11-14T22:13:20.000000001Z"


@given(st.integers(0, 4_000_000_000 * 10**9))
def test_a_scheduled_time_is_read_back(at_ns):
    assert parse_time(schedule_time(at_ns).removeprefix("@at ")) == at_ns


def test_acknowledgement_subjects_of_both_lengths_are_read():
    short = "$JS.ACK.SHEM_OPLOG.P3.2.17.5.1700000000000000001.0"
    long = "$JS.ACK.hub.ACCOUNT.SHEM_OPLOG.P3.2.17.5.1700000000000000001.0.token"
    for reply in (short, long):
        assert ack_token(reply) == AckToken(2, 17, 5, 1_700_000_000_000_000_001)
    with pytest.raises(InternalError):
        ack_token("_INBOX.1")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("2.15.1", (2, 15, 1)),
        ("2.12.0-RC.1", (2, 12, 0)),
        ("", (0, 0, 0)),
        ("nats-server: v2.14.0", (2, 14, 0)),
    ],
)
def test_server_versions(text, numbers):
    assert parse_version(text) == numbers


def test_an_older_server_lacks_what_came_later():
    assert missing_features(SERVER_VERSION_MIN) == []
    assert missing_features((2, 12, 8)) == ["consumer reset"]
    assert len(missing_features((2, 10, 0))) == 4
