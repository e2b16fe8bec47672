"""From requests to inputs, from values to responses."""

from contextlib import nullcontext

import pytest

import rib
from gateway.cookies import cookies_of
from gateway.errors import RequestError
from gateway.inputs import Arrived, bind
from gateway.responses import check_accepted, check_response, respond
from wit.types import (
    EnumType,
    Field,
    ListType,
    OptionType,
    Primitive,
    RecordType,
)

P = Primitive
COLOUR = EnumType(("red", "green"))
BYTES = ListType(P.U8)


def bound(name, type_, *, path=None, query=None, headers=None, cookie="", body=b""):
    request = Arrived(
        path=path or {},
        query=query or {},
        headers=headers or {},
        cookies=cookies_of(cookie),
        body=body,
    )
    return bind([rib.Input(name, type_)], request)[name]


@pytest.mark.parametrize(
    ("type_", "texts", "value"),
    [
        (P.STRING, ["a b"], "a b"),
        (P.U32, ["7"], 7),
        (P.S8, ["-7"], -7),
        (P.F64, ["1.5"], 1.5),
        (P.BOOL, ["true"], True),
        (P.CHAR, ["x"], "x"),
        (COLOUR, ["green"], "green"),
        (OptionType(P.U8), [], None),
        (OptionType(P.U8), ["3"], (3,)),
        (ListType(P.U8), ["[1, 2]"], b"\x01\x02"),
        (ListType(P.U16), ["1", "2"], [1, 2]),
        (ListType(P.STRING), [], []),
    ],
)
def test_texts_are_read_in_the_type_that_the_program_needs(type_, texts, value):
    assert bound("request.query.x", type_, query={"x": texts}) == value


@pytest.mark.parametrize(
    ("type_", "texts", "detail"),
    [
        (P.U32, ["x"], "query.x: expected u32, got 'x'"),
        (P.U8, ["300"], "query.x: expected u8, got '300'"),
        (P.U8, [], "query.x: expected u8, it is missing"),
        (P.STRING, ["a", "b"], "query.x: expected string, it stands there 2 times"),
        (P.BOOL, ["yes"], "query.x: expected bool, got 'yes'"),
        (COLOUR, ["blue"], "got 'blue'"),
    ],
)
def test_what_does_not_fit_is_a_400_with_its_place(type_, texts, detail):
    with pytest.raises(RequestError) as error:
        bound("request.query.x", type_, query={"x": texts})
    assert error.value.status == 400
    assert detail in error.value.detail


def test_path_and_headers():
    assert bound("request.path.id", P.U8, path={"id": "7"}) == 7
    assert bound("request.headers.X-Token", P.STRING, headers={"x-token": "t"}) == "t"


def test_cookies():
    assert bound("request.cookies.visits", P.U8, cookie='a=b; visits=7; c="x"') == 7
    assert bound("request.cookies.c", P.STRING, cookie='a=b; c="x"; nonsense') == "x"
    assert bound("request.cookies.other", OptionType(P.U8), cookie="a=b") is None
    with pytest.raises(RequestError, match=r"cookies\.visits: expected u8, got 'x'"):
        bound("request.cookies.visits", P.U8, cookie="visits=x")


LINE = RecordType((Field("sku", P.STRING), Field("count", P.U32)))
TAGS = RecordType((Field("tag", ListType(P.STRING)), Field("note", OptionType(P.STRING))))
UPLOADED = RecordType((Field("filename", OptionType(P.STRING)), Field("data", BYTES)))
UPLOAD = RecordType((Field("file", UPLOADED),))
BYTES_FIELD = RecordType((Field("file", BYTES),))
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
PARTS = (
    b"--b\r\nContent-Disposition: form-data; name=sku\r\n\r\n\xc3\xa4\r\n"
    b'--b\r\nContent-Disposition: form-data; name="count"\r\nContent-Type: application/json\r\n\r\n'
    b"2\r\n--b--\r\n"
)
FILE = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
    b"Content-Type: image/png\r\n\r\n\r\n\x00\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("type_", "kind", "body", "value"),
    [
        (LINE, "application/json", b'{"sku": "s", "count": 2}', {"sku": "s", "count": 2}),
        (
            LINE,
            "application/x+json; charset=utf-8",
            b'{"sku":"s","count":2}',
            {"sku": "s", "count": 2},
        ),
        (P.STRING, "text/plain", "é".encode(), "é"),
        (P.STRING, "application/json", b'"x"', "x"),
        (BYTES, "application/octet-stream", b"\x00\xff", b"\x00\xff"),
        (BYTES, "application/json", b"[1]", b"\x01"),
        (OptionType(LINE), "", b"", None),
        (BYTES, "image/png", b"\x89PNG", b"\x89PNG"),
        (P.STRING, "application/xml", b"<a/>", "<a/>"),
        (P.STRING, "text/plain; charset=iso-8859-1", b"\xe9", "é"),
        (P.U32, "text/plain", b"42\n", 42),
        (OptionType(P.U32), "text/plain", b"42", (42,)),
        (LINE, FORM, b"sku=a+b&count=2", {"sku": "a b", "count": 2}),
        (TAGS, FORM, b"tag=x&tag=y", {"tag": ["x", "y"], "note": None}),
        (LINE, MULTIPART, PARTS, {"sku": "ä", "count": 2}),
        (UPLOAD, MULTIPART, FILE, {"file": {"filename": ("a.png",), "data": b"\r\n\x00"}}),
        (BYTES_FIELD, MULTIPART, FILE, {"file": b"\r\n\x00"}),
    ],
)
def test_bodies(type_, kind, body, value):
    assert bound("request.body", type_, headers={"content-type": kind}, body=body) == value


@pytest.mark.parametrize(
    ("type_", "kind", "body", "status", "detail"),
    [
        (LINE, "application/json", b'{"sku": "s"}', 400, "body: missing field"),
        (LINE, "application/json", b'{"sku": 1, "count": 2}', 400, "body: sku: expected string"),
        (LINE, "application/json", b"{", 400, "body: "),
        (LINE, "application/json", b"", 400, "it is missing"),
        (LINE, "text/csv", b"a,b", 415, "cannot read 'text/csv'"),
        (P.STRING, "text/plain", b"\xff", 400, "no UTF-8"),
        (P.STRING, "text/plain; charset=utf-16", b"x", 415, "the charset is utf-16"),
        (P.U32, "text/plain", b"x", 400, "body: expected u32, got 'x'"),
        (LINE, FORM, b"sku=a&count=x", 400, "body.count: expected u32, got 'x'"),
        (LINE, FORM, b"sku=a", 400, "body.count: expected u32, it is missing"),
        (LINE, FORM, b"sku=a&count=1&count=2", 400, "it stands there 2 times"),
        (LINE, FORM, b"sku=a&count=1&more=2", 400, "unknown field 'more'"),
        (LINE, FORM, b"sku=%ff&count=1", 400, "it is no form"),
        (LINE, FORM, b' {"sku": "a"}', 400, "send it as application/json"),
        (LINE, "multipart/form-data", PARTS, 400, "needs a boundary"),
        (LINE, MULTIPART, PARTS[:-4], 400, "the form has no end"),
        (LINE, MULTIPART, b"nonsense", 400, "it is no form"),
        (LINE, MULTIPART, PARTS.replace(b"2", b"x"), 400, "body.count: expected u32"),
        (LINE, MULTIPART, PARTS.replace(b"; name=sku", b""), 400, "has no name"),
        (P.U32, FORM, b"1", 415, "as u32"),
    ],
)
def test_bodies_that_do_not_fit(type_, kind, body, status, detail):
    with pytest.raises(RequestError) as error:
        bound("request.body", type_, headers={"content-type": kind}, body=body)
    assert error.value.status == status
    assert detail in error.value.detail


def answered(text, accept=""):
    import asyncio

    program = rib.compile(text)
    value = asyncio.run(program.run(rib.NO_WORKERS))
    return respond(value, program.result, accept)


@pytest.mark.parametrize(
    ("text", "accept", "status", "kind", "body"),
    [
        ("{a: 1}", "", 200, "application/json", b'{"a":1}'),
        ('"x"', "", 200, "application/json", b'"x"'),
        ('"x"', "text/plain", 200, "text/plain; charset=utf-8", b"x"),
        ('"x"', "text/*;q=0.9, application/json;q=0.1", 200, "text/plain; charset=utf-8", b"x"),
        ("[1u8]", "", 200, "application/octet-stream", b"\x01"),
        ("[1u8]", "application/json", 200, "application/json", b'{"base64":"AQ=="}'),
        ("{status: 404u16}", "", 404, None, b""),
        ("{status: 204u16, body: 1}", "", 204, None, b""),
        ('{status: 201u16, body: "x"}', "", 201, "application/json", b'"x"'),
        ('{body: "<p>", headers: {content-type: "text/html"}}', "", 200, "text/html", b"<p>"),
        ("let x = 1", "", 200, None, b""),
        ('{status: 301u16, headers: {location: "/a"}}', "", 301, None, b""),
    ],
)
def test_responses(text, accept, status, kind, body):
    response = answered(text, accept)

    assert (response.status, response.body) == (status, body)
    assert dict(response.headers).get("content-type") == kind


def test_a_list_of_strings_is_as_many_headers():
    response = answered('{headers: {set-cookie: ["a=1", "b=2"], x: none: option<string>}}')
    assert response.headers == (("set-cookie", "a=1"), ("set-cookie", "b=2"))


@pytest.mark.parametrize(
    ("text", "accept", "refused"),
    [
        ("{a: 1}", "text/html", True),
        ("{status: 200u16, body: 1}", "text/html", True),
        ("{status: 200u16}", "text/html", False),
        ('{headers: {content-type: "text/html"}, body: "x"}', "text/html", False),
        ('"x"', "text/plain", False),
    ],
)
def test_what_the_client_takes_is_asked_before_the_run(text, accept, refused):
    type_ = rib.compile(text).result
    with pytest.raises(RequestError) if refused else nullcontext():
        check_accepted(type_, accept)


@pytest.mark.parametrize(
    ("text", "accept", "status"),
    [
        ("{status: 99u16}", "", 500),
        ('{status: 200u16, headers: {x: "a\\nb"}, body: 1}', "", 500),
        ('{headers: {content-length: "7"}, body: 1}', "", 500),
        ("{a: 1}", "text/html", 406),
        ("{a: 1}", "application/json;q=0", 406),
    ],
)
def test_responses_that_cannot_be(text, accept, status):
    with pytest.raises(RequestError) as error:
        answered(text, accept)
    assert error.value.status == status


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{status: "200"}', "`status` must be an integer"),
        ("{status: 200u16, headers: [1]}", "`headers` must be a record"),
        ("{status: 200u16, other: 1}", ""),
    ],
)
def test_impossible_responses_are_found_when_they_are_deployed(text, reason):
    assert check_response(rib.compile(text).result) == reason
