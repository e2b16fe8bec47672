"""Paths of routes and the table that finds them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from gateway.errors import ConflictError
from gateway.paths import Path, PathError, parse_path
from gateway.table import Table


class Entry(Struct, frozen=True):
    method: str
    path: Path
    api: str = "a@1"


def entry(text: str, api: str = "a@1") -> Entry:
    method, _, path = text.partition(" ")
    return Entry(method, parse_path(path), api)


@pytest.mark.parametrize(
    ("pattern", "parts", "variables"),
    [
        ("/", [], {}),
        ("/", ["a"], None),
        ("/a", ["a"], {}),
        ("/a", ["a", ""], None),
        ("/a/", ["a", ""], {}),
        ("/a/{id}", ["a", "7"], {"id": "7"}),
        ("/a/{id}", ["a", ""], None),
        ("/a/{id}", ["a"], None),
        ("/a/{id}", ["a", "7", "b"], None),
        ("/a/{id}/b", ["a", "x/y", "b"], {"id": "x/y"}),
        ("/f/{+rest}", ["f", "a", "b.txt"], {"rest": "a/b.txt"}),
        ("/f/{+rest}", ["f", ""], {"rest": ""}),
        ("/f/{+rest}", ["f"], None),
        ("/{user-name}?{page}&{size}", ["eve"], {"user-name": "eve"}),
    ],
)
def test_what_a_path_takes(pattern, parts, variables):
    assert parse_path(pattern).match(parts) == variables


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a", "must begin with /"),
        ("/a//b", "has an empty segment"),
        ("/{}", "is no variable"),
        ("/{a b}", "is no variable"),
        ("/{+rest}/b", "must be the last"),
        ("/{a}/{a}", "two variables 'a'"),
        ("/../a", "cannot be a segment"),
        ("/a b", "cannot be a segment"),
        ("/a?page", "is no query variable"),
        ("/" + "a/" * 70, "more than 64 segments"),
    ],
)
def test_what_is_no_path(text, reason):
    with pytest.raises(PathError, match=reason.replace("?", r"\?")):
        parse_path(text)


def test_the_most_particular_route_is_found():
    routes = ["GET /{+rest}", "GET /a/{id}", "GET /a/new", "POST /a/{id}", "GET /{x}/new"]
    table = Table([entry(each) for each in routes])

    def found(path: str) -> dict[str, str]:
        return {
            method: each.path.text
            for method, (each, _) in table.find(path.split("/")).routes.items()
        }

    assert found("a/new") == {"GET": "/a/new", "POST": "/a/{id}"}
    assert found("a/7") == {"GET": "/a/{id}", "POST": "/a/{id}"}
    assert found("b/new") == {"GET": "/{x}/new"}
    assert found("b/c/d") == {"GET": "/{+rest}"}


def test_conflicts_name_both_routes():
    with pytest.raises(ConflictError) as error:
        Table([entry("GET /a/{id}", "one@1"), entry("GET /a/{name}", "two@3")])
    assert str(error.value) == (
        "GET /a/{name} of two@3 takes the same requests as GET /a/{id} of one@1"
    )


segments = st.sampled_from(["a", "b", "{x}", "{y}"])


@given(
    st.lists(st.lists(segments, min_size=1, max_size=3, unique=True), min_size=1, max_size=6),
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3),
)
def test_the_table_finds_a_route_exactly_if_one_matches(patterns, parts):
    paths = {parse_path("/" + "/".join(each)).shape(): "/" + "/".join(each) for each in patterns}
    table = Table([entry(f"GET {text}") for text in paths.values()])
    matching = [text for text in paths.values() if parse_path(text).match(parts) is not None]
    found = table.find(parts).routes

    assert bool(found) == bool(matching)
    if found:
        assert found["GET"][0].path.text in matching
