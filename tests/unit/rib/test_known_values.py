"""What a program's text says about its value before any run."""

import pytest

from rib import literals_at


@pytest.mark.parametrize(
    ("text", "path", "found"),
    [
        ("{status: 201u16, body: x}", ("status",), {"201"}),
        ("let a = 1; {status: 200: u16}", ("status",), {"200"}),
        ("if x then {status: 200u16} else {status: 404u16}", ("status",), {"200", "404"}),
        (
            "match x { some(_) => {status: 200u16}, none => {status: 404u16} }",
            ("status",),
            {"200", "404"},
        ),
        (
            '{headers: {content-type: "text/html"}, body: 1}',
            ("headers", "content-type"),
            {"text/html"},
        ),
        ("{status: s}", ("status",), None),
        ("if x then {status: 200u16} else w.f()", ("status",), None),
        ('{headers: {content-type: "text/${x}"}}', ("headers", "content-type"), None),
        ("{body: 1}", ("status",), set()),
        ("x +", ("status",), None),
    ],
)
def test_literals(text, path, found):
    assert literals_at(text, path) == found
