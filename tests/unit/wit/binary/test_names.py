"""Names of imports, exports and labels."""

import pytest

from wit.binary import Sort
from wit.binary.names import check_extern_name, check_label
from wit.errors import BinaryError


@pytest.mark.parametrize("name", ["a", "add", "my-name", "HTTP-get", "a1-2b", "wasi3-next"])
def test_labels_are_words_joined_by_dashes(name):
    check_label(name, "field", 0)


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", "a--b", "1a", "aB", "a_b", "a.b", "%3", "ä", "a\n", "a b"]
)
def test_anything_else_is_no_label(name):
    with pytest.raises(BinaryError, match="is no name") as caught:
        check_label(name, "field", 7)
    assert caught.value.offset == 7


@pytest.mark.parametrize(
    ("name", "sort"),
    [
        ("[method]cart.add", Sort.FUNCTION),
        ("[static]cart.of", Sort.FUNCTION),
        ("[constructor]cart", Sort.FUNCTION),
        ("[async]fetch", Sort.FUNCTION),
        ("[async method]cart.add", Sort.FUNCTION),
        ("wasi:io/poll@0.2.9", Sort.INSTANCE),
        ("wasi:io/poll@0.3.0-rc.1+build", Sort.INSTANCE),
        ("a:b/c", Sort.INSTANCE),
        ("a:b/c", Sort.FUNCTION),
        ("a:b/c", Sort.TYPE),
        ("unlocked-dep=<a:b@{>=1.0.0 <2.0.0}>", Sort.COMPONENT),
        ("locked-dep=<a:b@1.0.0>,integrity=<sha256-x>", Sort.COMPONENT),
        ("my-type", Sort.TYPE),
    ],
)
def test_each_sort_has_its_forms_of_names(name, sort):
    check_extern_name(name, sort, 0)


@pytest.mark.parametrize(
    ("name", "sort"),
    [
        ("[method]cart.add", Sort.INSTANCE),
        ("[method]cart", Sort.FUNCTION),
        ("[constructor]cart.new", Sort.FUNCTION),
        ("[destructor]cart", Sort.FUNCTION),
        ("a:b/c@", Sort.INSTANCE),
        ("a:/c", Sort.INSTANCE),
        ("a:b/c@1", Sort.INSTANCE),
        ("a:b/c@01.0.0", Sort.INSTANCE),
        ("A:b/c", Sort.INSTANCE),
        ("a:b", Sort.INSTANCE),
        ("", Sort.INSTANCE),
    ],
)
def test_names_of_another_sort_are_refused(name, sort):
    with pytest.raises(BinaryError, match="cannot name"):
        check_extern_name(name, sort, 0)


def test_a_long_hostile_name_is_refused_quickly():
    with pytest.raises(BinaryError):
        check_extern_name("a-" * 50_000, Sort.FUNCTION, 0)
