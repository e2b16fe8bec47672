"""From requests to inputs, from values to responses."""

import pytest

import rib
from gateway.errors import RequestError
from gateway.inputs import Arrived, bind
from gateway.responses import check_response, respond
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


def bound(name, type_, *, path=None, query=None, headers=None, body=b""):
    request = Arrived(path or {}, query or {}, headers or {}, body)
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


LINE = RecordType((Field("sku", P.STRING), Field("count", P.U32)))


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
    ],
)
def test_responses(text, accept, status, kind, body):
    response = answered(text, accept)

    assert (response.status, response.body) == (status, body)
    assert dict(response.headers).get("content-type") == kind


@pytest.mark.parametrize(
    ("text", "accept", "status"),
    [
        ("{status: 99u16}", "", 500),
        ('{status: 200u16, headers: {x: "a\\nb"}, body: 1}', "", 500),
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
