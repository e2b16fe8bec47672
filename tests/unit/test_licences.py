"""No dependency obliges whoever distributes Shem."""

from tests.support.audit import forbidden, licences


def test_no_dependency_has_a_licence_that_must_not_be_there():
    found = licences()
    assert len(found) > 30
    assert forbidden(found) == {}


def test_the_check_finds_what_it_is_there_for():
    assert forbidden({"a": "GPL-3.0-only", "b": "LGPL-2.1", "c": "MIT", "d": "MIT OR GPL-2.0"}) == {
        "a": "GPL-3.0-only"
    }
