"""Commits as bytes."""

import hashlib

import msgspec
import pytest
import zstandard

from oplog import limits
from oplog.codec import decode, encode
from oplog.commit import GENESIS_HASH, Marks
from oplog.entries import Log, NoOp
from oplog.errors import CorruptLogError, UnknownEntryError, UnknownVersionError

MARKS = Marks(invoked=7, control=3, sent=2)


def sealed(body):
    """The headers of a body as a newer or a broken release would write it."""
    encoded = encode(1, (NoOp(),), Marks(), GENESIS_HASH)
    digest = hashlib.sha256(body).hexdigest()[:32]
    return {**encoded.headers, "Shem-Hash": digest}


def read(data, headers, first=1, previous=GENESIS_HASH):
    return decode(data, headers, expected_first=first, expected_previous=previous, sequence=42)


def test_a_commit_comes_back_as_it_was_written(make):
    entries = (make.create(), make.invoked(), make.imported(), make.completed())
    encoded = encode(1, entries, MARKS, GENESIS_HASH)

    commit = read(encoded.data, encoded.headers)

    assert commit.entries == entries
    assert (commit.first, commit.last, commit.marks) == (1, 4, MARKS)
    assert (commit.previous, commit.hash) == (GENESIS_HASH, encoded.hash)


def test_a_small_commit_is_json_that_anybody_can_read_and_check(make):
    encoded = encode(4, (make.imported(), NoOp(), make.imported()), MARKS, "00ff")

    assert msgspec.json.decode(encoded.data) == {
        "v": 1,
        "first": 4,
        "previous": "00ff",
        "invoked": 7,
        "control": 3,
        "sent": 2,
        "entries": [
            {
                "type": "imported-function-invoked",
                "function": "now",
                "response": 1,
                "kind": "read-local",
            },
            {"type": "no-op"},
            {
                "type": "imported-function-invoked",
                "function": "now",
                "response": 1,
                "kind": "read-local",
            },
        ],
    }
    assert encoded.headers == {
        "Shem-First": "4",
        "Shem-Last": "6",
        "Shem-Types": "imported-function-invoked*2,no-op",
        "Shem-Hash": hashlib.sha256(encoded.data).hexdigest()[:32],
        "Shem-Invoked": "7",
        "Shem-Control": "3",
        "Shem-Sent": "2",
    }


def test_a_large_commit_is_compressed_and_the_hash_is_of_what_is_inside():
    entries = tuple(Log(level="stdout", message=f"line {n}") for n in range(300))
    encoded = encode(1, entries, MARKS, GENESIS_HASH)

    body = zstandard.ZstdDecompressor().decompress(encoded.data)

    assert encoded.headers["Shem-Encoding"] == "zstd"
    assert len(body) >= limits.COMPRESS_BYTES_MIN > len(encoded.data)
    assert encoded.hash == hashlib.sha256(body).hexdigest()[:32]
    assert read(encoded.data, encoded.headers).entries == entries


def test_a_commit_at_the_wrong_place_is_refused():
    encoded = encode(5, (NoOp(),), MARKS, "aa")

    with pytest.raises(CorruptLogError, match="begins with entry 5 where 4 should follow"):
        read(encoded.data, encoded.headers, first=4, previous="aa")
    with pytest.raises(CorruptLogError, match=r"follows one with the hash aa.*has bb") as caught:
        read(encoded.data, encoded.headers, first=5, previous="bb")
    assert (caught.value.index, caught.value.sequence) == (5, 42)


def test_a_tombstone_may_follow_a_log_that_is_gone():
    encoded = encode(0, (NoOp(),), MARKS, "aa")

    assert read(encoded.data, encoded.headers, first=0, previous=None).last == 0


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"Shem-Hash": "0" * 32}, "has the hash .* but its header says 0000"),
        ({"Shem-First": "2"}, "headers contradict the body"),
        ({"Shem-Last": "9"}, "headers contradict the body"),
        ({"Shem-Invoked": "8"}, "headers contradict the body"),
        ({"Shem-Sent": "-1"}, "should be a number"),
        ({"Shem-Control": "1_0"}, "should be a number"),
        ({"Shem-Encoding": "lz4"}, "unknown Shem-Encoding 'lz4'"),
        ({"Shem-Encoding": "zstd"}, "cannot be decompressed"),
    ],
)
def test_headers_that_do_not_fit_the_body_are_noticed(change, complaint):
    encoded = encode(1, (NoOp(),), MARKS, GENESIS_HASH)

    with pytest.raises(CorruptLogError, match=complaint):
        read(encoded.data, {**encoded.headers, **change})


@pytest.mark.parametrize("name", ["Shem-First", "Shem-Last", "Shem-Hash", "Shem-Invoked"])
def test_a_missing_header_is_named(name):
    encoded = encode(1, (NoOp(),), MARKS, GENESIS_HASH)
    headers = {key: value for key, value in encoded.headers.items() if key != name}

    with pytest.raises(CorruptLogError, match=f"lacks the header {name}"):
        read(encoded.data, headers)


def test_a_newer_format_is_named():
    body = b'{"v":2,"something":"new"}'

    with pytest.raises(CorruptLogError, match="is no commit"):
        read(body, sealed(body))
    body = b'{"v":2,"entries":{}}'
    with pytest.raises(UnknownVersionError, match="format version 2") as caught:
        read(body, sealed(body))
    assert caught.value.version == 2


def test_a_newer_format_of_the_same_shape_is_named():
    encoded = encode(1, (NoOp(),), Marks(), GENESIS_HASH)
    body = encoded.data.replace(b'"v":1', b'"v":3')

    with pytest.raises(UnknownVersionError, match="format version 3"):
        read(body, sealed(body))


def test_a_newer_entry_type_is_named_with_its_index():
    body = (
        b'{"v":1,"first":1,"previous":"","invoked":0,"control":0,"sent":0,'
        b'"entries":[{"type":"no-op"},{"type":"teleported","to":"Prague"}]}'
    )

    with pytest.raises(UnknownEntryError, match="type 'teleported'") as caught:
        read(body, sealed(body))
    assert caught.value.index == 2


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"v":1,"entries":[3]}',
        b'{"v":1,"first":1,"previous":"","invoked":0,"control":0,"sent":0,"entries":[{"type":"log"}]}',
        b'{"v":1,"first":1,"previous":"","invoked":0,"control":0,"sent":0,"entries":[]}',
    ],
)
def test_a_well_hashed_body_that_is_no_commit_is_corrupt(body):
    with pytest.raises(CorruptLogError):
        read(body, sealed(body))


def test_unknown_fields_are_ignored_so_that_entries_may_grow():
    body = (
        b'{"v":1,"first":1,"previous":"","invoked":0,"control":0,"sent":0,"later":1,'
        b'"entries":[{"type":"no-op","colour":"red"}]}'
    )

    assert read(body, sealed(body)).entries == (NoOp(),)


def test_a_frame_that_claims_to_be_huge_is_not_expanded():
    data = zstandard.ZstdCompressor().compress(bytes(limits.DECOMPRESSED_BYTES_MAX + 1))
    headers = {**encode(1, (NoOp(),), MARKS, GENESIS_HASH).headers, "Shem-Encoding": "zstd"}

    with pytest.raises(CorruptLogError, match="says it holds"):
        read(data, headers)
