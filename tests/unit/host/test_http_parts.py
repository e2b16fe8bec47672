"""The parts of wasi:http that need no connection: fields, messages, incoming requests."""

import asyncio

import pytest

from actors.host.http.errors import ERROR_CODE, HttpError
from actors.host.http.fields import Fields
from actors.host.http.limits import FIELDS_BYTES_MAX, OUTGOING_BODY_BYTES_MAX
from actors.host.http.messages import IncomingRequest, OutgoingRequest, ResponseOutparam
from actors.host.streams import CLOSED, IoError
from wit.values import err, ok, some

TYPES = "wasi:http/types#"
METHOD = TYPES + "[method]"
OUT = "wasi:io/streams#[method]output-stream."
IN = "wasi:io/streams#[method]input-stream."


@pytest.fixture
def http(context, call):
    return lambda name, *arguments: call(context, METHOD + name, *arguments)


@pytest.fixture
def fields(context, call):
    return call(context, TYPES + "[constructor]fields")


def test_fields_keep_their_order_and_are_found_without_case(http, fields):
    assert http("fields.append", fields, "Accept", b"a") == ok()
    assert http("fields.append", fields, "x", b"1") == ok()
    assert http("fields.append", fields, "accept", b"b") == ok()
    assert http("fields.get", fields, "ACCEPT") == [b"a", b"b"]
    assert http("fields.has", fields, "X") is True
    assert http("fields.entries", fields) == [("Accept", b"a"), ("x", b"1"), ("accept", b"b")]
    assert http("fields.set", fields, "accept", [b"c"]) == ok()
    assert http("fields.delete", fields, "X") == ok()
    assert http("fields.entries", fields) == [("accept", b"c")]
    assert http("fields.has", fields, "x") is False
    assert http("fields.get", fields, "x") == []


@pytest.mark.parametrize(
    ("name", "value", "case"),
    [
        ("bad name", b"", "invalid-syntax"),
        ("", b"", "invalid-syntax"),
        ("name:", b"", "invalid-syntax"),
        ("name", b"a\r\nInjected: b", "invalid-syntax"),
        ("name", b"a\nb", "invalid-syntax"),
        ("name", b"a\0", "invalid-syntax"),
        ("name", bytes([65]) * (FIELDS_BYTES_MAX + 1), "invalid-syntax"),
        ("Host", b"other", "forbidden"),
        ("transfer-encoding", b"chunked", "forbidden"),
        ("Connection", b"keep-alive", "forbidden"),
    ],
)
def test_fields_that_a_guest_may_not_set(context, call, http, fields, name, value, case):
    assert http("fields.append", fields, name, value) == err((case, None))
    assert http("fields.set", fields, name, [value]) == err((case, None))
    from_list = call(context, TYPES + "[static]fields.from-list", [(name, value)])
    assert from_list == err((case, None))
    assert http("fields.entries", fields) == []


def test_headers_of_a_message_cannot_be_changed_but_copied(context, call, http):
    made = call(context, TYPES + "[static]fields.from-list", [("a", b"1")])[1]
    request = call(context, TYPES + "[constructor]outgoing-request", made)
    http("fields.append", made, "b", b"2")
    headers = http("outgoing-request.headers", request)
    assert http("fields.entries", headers) == [("a", b"1")]
    for change in (
        ("fields.append", headers, "b", b""),
        ("fields.set", headers, "a", []),
        ("fields.delete", headers, "a"),
    ):
        assert http(*change) == err(("immutable", None))
    copy = http("fields.clone", headers)
    assert http("fields.delete", copy, "a") == ok()


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("method", ("get", None), ("other", "PURGE")),
        ("path-with-query", None, some("/a?b=c")),
        ("scheme", None, some(("HTTP", None))),
        ("authority", None, some("example.org:8080")),
        ("authority", None, some("[::1]:80")),
    ],
)
def test_a_request_is_what_it_was_set_to(context, call, http, fields, name, before, after):
    request = call(context, TYPES + "[constructor]outgoing-request", fields)
    assert http(f"outgoing-request.{name}", request) == before
    assert http(f"outgoing-request.set-{name}", request, after) == ok()
    assert http(f"outgoing-request.{name}", request) == after


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", ("other", "GET /x HTTP/1.1\r\nA: b")),
        ("path-with-query", some("/a b")),
        ("path-with-query", some("/a\r\nX: y")),
        ("path-with-query", some("/ü")),
        ("path-with-query", some("/" * 20_000)),
        ("scheme", some(("other", "a b"))),
        ("authority", some("a b")),
        ("authority", some("host:99999")),
        ("authority", some("user@host")),
        ("authority", some("")),
    ],
)
def test_a_request_line_cannot_be_broken(context, call, http, fields, name, value):
    request = call(context, TYPES + "[constructor]outgoing-request", fields)
    assert http(f"outgoing-request.set-{name}", request, value) == err()


def test_timeouts_are_kept(context, call, http):
    options = call(context, TYPES + "[constructor]request-options")
    for name in ("connect-timeout", "first-byte-timeout", "between-bytes-timeout"):
        assert http(f"request-options.{name}", options) is None
        assert http(f"request-options.set-{name}", options, some(5 * 10**9)) == ok()
        assert http(f"request-options.{name}", options) == some(5 * 10**9)
    timeouts = options.timeouts()
    assert {timeouts.connect_s, timeouts.first_byte_s, timeouts.between_bytes_s} == {5.0}


@pytest.mark.parametrize(
    ("scheme", "authority"), [(("HTTP", None), None), (("other", "ftp"), "host")]
)
def test_a_request_that_cannot_be_sent_is_refused_at_once(context, call, scheme, authority):
    request = OutgoingRequest(Fields())
    request.scheme = some(scheme)
    request.authority = authority
    result = call(context, "wasi:http/outgoing-handler#handle", request, None)
    assert result == err(("HTTP-request-URI-invalid", None))
    assert context.log == []


def test_a_body_can_be_written_once_and_not_after_its_end(context, call, http):
    request = OutgoingRequest(Fields())
    body = http("outgoing-request.body", request)[1]
    assert http("outgoing-request.body", request) == err()
    sink = http("outgoing-body.write", body)[1]
    assert http("outgoing-body.write", body) == err()
    assert call(context, OUT + "write", sink, b"abc") == ok()
    assert call(context, TYPES + "[static]outgoing-body.finish", body, None) == ok()
    assert call(context, OUT + "check-write", sink) == CLOSED
    assert call(context, OUT + "write", sink, b"d") == CLOSED
    assert bytes(body.data) == b"abc"


def test_a_body_keeps_the_length_that_its_headers_promise(context, call, http):
    request = OutgoingRequest(Fields([("Content-Length", b"4")]))
    body = request.open_body()
    sink = http("outgoing-body.write", body)[1]
    call(context, OUT + "write", sink, b"abc")
    short = call(context, TYPES + "[static]outgoing-body.finish", body, None)
    assert short == err(("HTTP-request-body-size", some(3)))
    request = OutgoingRequest(Fields([("content-length", b"4")]))
    body = request.open_body()
    sink = http("outgoing-body.write", body)[1]
    failure = call(context, OUT + "write", sink, b"abcde")
    (_, error) = failure[1]
    code = call(context, TYPES + "http-error-code", error)
    assert code == some(("HTTP-request-body-size", some(5)))


def test_a_body_is_bounded():
    body = OutgoingRequest(Fields()).open_body()
    body.data = bytearray(OUTGOING_BODY_BYTES_MAX)
    with pytest.raises(HttpError, match="body-size"):
        body.append(b"x")


def test_errors_that_are_not_of_http_have_no_code(context, call):
    assert call(context, TYPES + "http-error-code", IoError("")) is None


def test_the_error_codes_are_all_there():
    assert len(ERROR_CODE.cases) == 39
    assert len({case.name for case in ERROR_CODE.cases}) == 39


def incoming(body=b"hello"):
    return IncomingRequest(
        method=("post", None),
        path="/path?q",
        scheme=some(("HTTPS", None)),
        authority="example.org",
        headers=[("a", b"1")],
        body=body,
    )


def test_a_worker_reads_the_request_it_gets(context, call, http):
    request = incoming()
    assert http("incoming-request.method", request) == ("post", None)
    assert http("incoming-request.path-with-query", request) == some("/path?q")
    assert http("incoming-request.scheme", request) == some(("HTTPS", None))
    assert http("incoming-request.authority", request) == some("example.org")
    headers = http("incoming-request.headers", request)
    assert http("fields.entries", headers) == [("a", b"1")]
    body = http("incoming-request.consume", request)[1]
    assert http("incoming-request.consume", request) == err()
    stream = http("incoming-body.stream", body)[1]
    assert http("incoming-body.stream", body) == err()
    assert call(context, IN + "read", stream, 3) == ok(b"hel")
    assert call(context, IN + "blocking-read", stream, 9) == ok(b"lo")
    assert call(context, IN + "read", stream, 9) == CLOSED
    trailers = call(context, TYPES + "[static]incoming-body.finish", body)
    assert http("future-trailers.subscribe", trailers).ready(context)
    assert http("future-trailers.get", trailers) == some(ok(ok(None)))
    assert http("future-trailers.get", trailers) == some(err())


def test_a_worker_answers(context, call, http, fields):
    http("fields.append", fields, "b", b"2")
    response = call(context, TYPES + "[constructor]outgoing-response", fields)
    assert http("outgoing-response.status-code", response) == 200
    assert http("outgoing-response.set-status-code", response, 42) == err()
    assert http("outgoing-response.set-status-code", response, 201) == ok()
    body = http("outgoing-response.body", response)[1]
    assert http("outgoing-response.body", response) == err()
    outparam = ResponseOutparam()
    call(context, TYPES + "[static]response-outparam.set", outparam, ok(response))
    sink = http("outgoing-body.write", body)[1]
    call(context, OUT + "blocking-write-and-flush", sink, b"made")
    trailers = some(Fields([("t", b"3")]))
    call(context, TYPES + "[static]outgoing-body.finish", body, trailers)
    received = outparam.response()
    assert (received.status, received.headers) == (201, [("b", b"2")])
    assert (bytes(received.body.data), received.trailers) == (b"made", [("t", b"3")])


def test_a_worker_that_does_not_answer_fully_fails(context, call, http, fields):
    silent, refusing, halfway = ResponseOutparam(), ResponseOutparam(), ResponseOutparam()
    call(context, TYPES + "[static]response-outparam.set", refusing, err(("loop-detected", None)))
    response = call(context, TYPES + "[constructor]outgoing-response", fields)
    http("outgoing-response.body", response)
    call(context, TYPES + "[static]response-outparam.set", halfway, ok(response))
    for outparam, code in (
        (silent, "HTTP-response-incomplete"),
        (refusing, "loop-detected"),
        (halfway, "HTTP-response-incomplete"),
    ):
        with pytest.raises(HttpError, match=code):
            outparam.response()


def test_a_body_wakes_who_waits_for_more():
    async def scenario():
        body = OutgoingRequest(Fields()).open_body()
        waiting = asyncio.ensure_future(body.wait_for_more(0))
        await asyncio.sleep(0)
        body.append(b"x")
        await waiting
        waiting = asyncio.ensure_future(body.wait_for_more(1))
        await asyncio.sleep(0)
        body.abort()
        await waiting

    asyncio.run(scenario())
