"""One limit on what the host keeps in memory for a worker: counted, refused, and given back."""

import pytest

from actors.engine.errors import GuestTrap
from actors.host import buffered
from actors.host.buffered import buffered_bytes
from actors.host.http.exchange import may_begin
from actors.host.http.fields import Fields
from actors.host.http.limits import MESSAGE_BYTES, RECEIVE_BUFFER_BYTES_MAX
from actors.host.http.messages import OutgoingRequest
from actors.host.sockets.ready import count_socket
from actors.host.table import TABLE

HTTP = "wasi:http/types"
BLOBS = "wasi:blobstore/types"
OUT = "wasi:io/streams#[method]output-stream."
KIB = 1024


@pytest.fixture(autouse=True)
def limit(monkeypatch):
    monkeypatch.setattr(buffered, "BUFFERED_BYTES_MAX", 100 * KIB)


def drop(context, interface, resource, value):
    TABLE[interface].drops[resource](context, value)


def test_bodies_and_values_share_one_limit_and_give_it_back(context, call):
    request = OutgoingRequest(Fields([]))
    body = request.open_body()
    sink = call(context, f"{HTTP}#[method]outgoing-body.write", body)[1]
    assert call(context, OUT + "write", sink, bytes(60 * KIB)) == ("ok", None)
    value = call(context, f"{BLOBS}#[static]outgoing-value.new-outgoing-value")
    written = call(context, f"{BLOBS}#[method]outgoing-value.outgoing-value-write-body", value)[1]
    assert call(context, OUT + "write", written, bytes(40 * KIB)) == ("ok", None)
    assert buffered_bytes(context) == 100 * KIB

    case, (kind, error) = call(context, OUT + "write", sink, b"1")
    assert (case, kind) == ("err", "last-operation-failed")
    assert error.message == "1 bytes more: the host keeps at most 102400 for one worker"
    # What has failed is given up; what it had is free.
    assert call(context, OUT + "write", sink, b"1") == ("err", ("closed", None))
    drop(context, HTTP, "outgoing-body", body)
    assert buffered_bytes(context) == 40 * KIB
    drop(context, BLOBS, "outgoing-value", value)
    assert buffered_bytes(context) == 0


def test_a_request_that_is_never_sent_gives_back_its_body(context, call):
    request = OutgoingRequest(Fields([]))
    body = request.open_body()
    sink = call(context, f"{HTTP}#[method]outgoing-body.write", body)[1]
    call(context, OUT + "write", sink, bytes(50 * KIB))
    assert call(context, f"{HTTP}#[static]outgoing-body.finish", body, None) == ("ok", None)
    assert buffered_bytes(context) == 50 * KIB, "it may still be sent"
    drop(context, HTTP, "outgoing-request", request)
    assert buffered_bytes(context) == 0


def test_what_comes_from_outside_counts_as_a_whole(context, monkeypatch):
    monkeypatch.setattr(buffered, "BUFFERED_BYTES_MAX", 5 * RECEIVE_BUFFER_BYTES_MAX)
    assert count_socket(context, 1)
    assert count_socket(context, 1)
    share = may_begin(context)
    assert share is not None
    assert may_begin(context) is None
    assert not count_socket(context, 1)
    share.give_back(context)
    share.give_back(context)
    assert may_begin(context) is not None
    assert count_socket(context, -1)
    assert count_socket(context, -1)
    assert buffered_bytes(context) == RECEIVE_BUFFER_BYTES_MAX


def fields_of(context, call, size):
    return call(context, f"{HTTP}#[static]fields.from-list", [("a", bytes(b"x" * size))])[1]


def test_fields_and_their_copies_count_until_they_are_dropped(context, call):
    fields = fields_of(context, call, 10 * KIB)
    held = buffered_bytes(context)
    assert 10 * KIB < held < 11 * KIB
    copy = call(context, f"{HTTP}#[method]fields.clone", fields)
    assert buffered_bytes(context) == 2 * held
    call(context, f"{HTTP}#[method]fields.delete", copy, "a")
    assert buffered_bytes(context) == held
    call(context, f"{HTTP}#[method]fields.append", copy, "b", b"x" * KIB)
    call(context, f"{HTTP}#[method]fields.set", copy, "b", [b"1"])
    drop(context, HTTP, "fields", copy)
    drop(context, HTTP, "fields", fields)
    assert buffered_bytes(context) == 0


def test_fields_without_end_are_a_trap(context, call):
    fields = fields_of(context, call, 60 * KIB)
    with pytest.raises(GuestTrap, match="the host keeps at most 102400 for one worker"):
        call(context, f"{HTTP}#[method]fields.clone", fields)


@pytest.mark.parametrize("kind", ["outgoing-request", "outgoing-response"])
def test_messages_count_with_their_headers_until_they_are_dropped(context, call, kind):
    make = f"{HTTP}#[constructor]{kind}"
    message = call(context, make, fields_of(context, call, 10 * KIB))
    assert buffered_bytes(context) > 10 * KIB + MESSAGE_BYTES
    # Its headers are its own, whoever looks at them.
    seen = call(context, f"{HTTP}#[method]{kind}.headers", message)
    drop(context, HTTP, "fields", seen)
    assert buffered_bytes(context) > 10 * KIB + MESSAGE_BYTES
    drop(context, HTTP, kind, message)
    assert buffered_bytes(context) == 0
    for _ in range(4):
        call(context, make, fields_of(context, call, 1))
    with pytest.raises(GuestTrap, match="a message of HTTP"):
        call(context, make, fields_of(context, call, 1))


def test_trailers_count_with_their_body(context, call):
    request = call(context, f"{HTTP}#[constructor]outgoing-request", fields_of(context, call, 1))
    body = call(context, f"{HTTP}#[method]outgoing-request.body", request)[1]
    before = buffered_bytes(context)
    trailers = fields_of(context, call, KIB)
    finish = f"{HTTP}#[static]outgoing-body.finish"
    assert call(context, finish, body, (trailers,)) == ("ok", None)
    assert buffered_bytes(context) > before + KIB
    drop(context, HTTP, "outgoing-request", request)
    assert buffered_bytes(context) == 0


def test_a_listing_counts_until_it_is_dropped(context, call):
    files = "wasi:filesystem/types"
    root = call(context, "wasi:filesystem/preopens#get-directories")[0][0]
    for number in range(20):
        call(
            context,
            f"{files}#[method]descriptor.create-directory-at",
            root,
            "x" * 200 + str(number),
        )
    read = f"{files}#[method]descriptor.read-directory"
    case, listing = call(context, read, root)
    assert case == "ok"
    assert buffered_bytes(context) > 20 * 200
    drop(context, files, "directory-entry-stream", listing)
    assert buffered_bytes(context) == 0
    held = []
    while (answer := call(context, read, root))[0] == "ok":
        held.append(answer[1])
    assert answer == ("err", "insufficient-memory")
    assert len(held) < 30
