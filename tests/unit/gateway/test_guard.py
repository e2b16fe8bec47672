"""Who is let in without tokens."""

import pytest

from broker.memory import MemoryBroker, MemoryCluster
from gateway.errors import RequestError
from gateway.rest.guard import Guard, is_loopback
from gateway.rest.openapi import document
from gateway.rest.operation import Role
from gateway.rest.tokens import Tokens


def test_loopback():
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]")))
    assert not any(map(is_loopback, ("", "0.0.0.0", "::", "example.com", "10.0.0.1")))


def test_without_tokens_only_this_machine_is_let_in_and_no_page_of_others():
    guard = Guard(Tokens(MemoryBroker(MemoryCluster()).apis), is_open=True)
    guard.check({"host": "localhost:8080"}, Role.ADMIN)
    guard.check({"host": "127.0.0.1", "origin": "http://127.0.0.1"}, Role.ADMIN)
    for headers in (
        {"host": "rebound.example"},
        {"host": "localhost:8080", "origin": "https://evil.example"},
        {"host": "localhost:8080", "origin": "null"},
        {"host": "localhost:8080", "authorization": "Bearer forged"},
    ):
        with pytest.raises(RequestError):
            guard.check(headers, Role.VIEWER)


def test_the_document_says_whether_a_token_is_needed():
    served = {"version": "1", "base": "/.shem/v1"}
    assert document([], **served)["security"] == [{"token": []}]
    assert document([], **served, is_open=True)["security"] == [{}, {"token": []}]
