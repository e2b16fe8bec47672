"""The client protocol: what is cut out of the bytes, however they arrive."""

import itertools
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import InternalError
from broker.jetstream.protocol import Parser, ProtocolError, encode_publish, encode_subscribe

STREAM = (
    b'INFO {"version":"2.15.1"}\r\n'
    b"MSG plain.subject 7 5\r\nhello\r\n"
    b"PING\r\n"
    b"MSG with.reply 8 _INBOX.1 2\r\nhi\r\n"
    b"HMSG headers 9 22 25\r\nNATS/1.0\r\nKey: abc\r\n\r\nxyz\r\n"
    b"HMSG headers.reply 9 there 22 22\r\nNATS/1.0\r\nKey: abc\r\n\r\n\r\n"
    b"MSG tricky 7 11\r\nMSG a 1 0\r\n\r\n"
    b"-ERR 'Stale Connection'\r\n"
)
EXPECTED = [
    b'INFO {"version":"2.15.1"}',
    (b"7", "plain.subject", "", b"", b"hello"),
    b"PING",
    (b"8", "with.reply", "_INBOX.1", b"", b"hi"),
    (b"9", "headers", "", b"NATS/1.0\r\nKey: abc\r\n\r\n", b"xyz"),
    (b"9", "headers.reply", "there", b"NATS/1.0\r\nKey: abc\r\n\r\n", b""),
    (b"7", "tricky", "", b"", b"MSG a 1 0\r\n"),
    b"-ERR 'Stale Connection'",
]


def parse(chunks):
    seen = []
    parser = Parser(lambda *message: seen.append(message), seen.append)
    for chunk in chunks:
        parser.feed(chunk)
        assert not parser.take(sys.maxsize)
    return seen


def test_everything_at_once():
    assert parse([STREAM]) == EXPECTED


def test_byte_by_byte():
    assert parse(STREAM[i : i + 1] for i in range(len(STREAM))) == EXPECTED


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_cut_anywhere(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    assert parse(STREAM[a:b] for a, b in itertools.pairwise(edges)) == EXPECTED


@given(
    st.lists(st.integers(0, len(STREAM)), max_size=8),
    st.lists(st.integers(1, 4), min_size=1, max_size=20),
)
def test_in_portions_however_they_meet_the_cuts(cuts, portions):
    seen = []
    parser = Parser(lambda *message: seen.append(message), seen.append)
    sizes = itertools.cycle(portions)
    edges = [0, *sorted(cuts), len(STREAM)]
    more = False
    for a, b in itertools.pairwise(edges):
        parser.feed(STREAM[a:b])
        before = len([each for each in seen if isinstance(each, tuple)])
        size = next(sizes)
        more = parser.take(size)
        handed_out = len([each for each in seen if isinstance(each, tuple)]) - before
        assert handed_out <= size
        assert more == (handed_out == size)
    while more:
        more = parser.take(next(sizes))
    assert seen == EXPECTED
    assert parser.held_bytes == 0


def test_much_that_waits_is_no_endless_line():
    seen = []
    parser = Parser(lambda *message: seen.append(message), seen.append)
    parser.feed(b"MSG a 1 5\r\nhello\r\n" * 20_000)
    assert parser.take(1)
    assert parser.take(1)
    assert not parser.take(sys.maxsize)
    assert len(seen) == 20_000


def test_a_large_message_in_small_reads():
    body = bytes(range(256)) * 8192
    data = b"MSG big 1 %d\r\n%b\r\nPING\r\n" % (len(body), body)
    seen = parse(data[i : i + 65536] for i in range(0, len(data), 65536))
    assert seen == [(b"1", "big", "", b"", body), b"PING"]


@pytest.mark.parametrize("line", [b"MSG a 1 x\r\n", b"HMSG a 1 2\r\n", b"MSG \r\n"])
def test_a_malformed_message_line_is_a_protocol_error(line):
    with pytest.raises(ProtocolError):
        parse([line + b"rest of it\r\n"])


def test_an_endless_line_is_a_protocol_error():
    with pytest.raises(ProtocolError, match="longer than"):
        parse([b"INFO " + b"x" * 300_000])


def test_a_publish_states_its_sizes_in_bytes():
    block = "NATS/1.0\r\nKey: ä\r\n\r\n".encode()
    line = b"HPUB s r %d %d\r\n" % (len(block), len(block) + 2)
    command = encode_publish("s", "ü".encode(), {"Key": "ä"}, "r")
    assert command == line + block + "ü\r\n".encode()
    assert encode_publish("s", b"abc", {}, "") == b"PUB s 3\r\nabc\r\n"


@pytest.mark.parametrize("subject", ["", "a b", "a\r\nPUB x 0", "a\tb"])
def test_a_subject_that_would_break_the_protocol_is_refused(subject):
    with pytest.raises(InternalError):
        encode_publish(subject, b"", {}, "")
    with pytest.raises(InternalError):
        encode_subscribe(subject, "", 1)


@pytest.mark.parametrize("value", ["a\r\nOther: b", "a\nb", "a\rb"])
def test_a_header_that_would_break_the_protocol_is_refused(value):
    with pytest.raises(InternalError, match="line break"):
        encode_publish("s", b"", {"Key": value}, "")
