"""Heads of requests: what their bytes say."""

import pytest

from gateway.incoming import Incoming
from gateway.rest.requests import headers_of


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("objednávka-1".encode(), "objednávka-1"),
        ("ключ".encode(), "ключ"),
        ("Größe".encode("latin-1"), "Größe"),
        (b"plain", "plain"),
    ],
)
def test_headers_are_utf_8_where_they_can_be(sent, read):
    scope = {
        "method": "GET",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(b"idempotency-key", sent)],
    }

    async def receive():
        return {"type": "http.disconnect"}

    request = Incoming(scope, receive)
    assert request.headers == {"idempotency-key": read}
    assert headers_of(scope) == {"idempotency-key": read}
    # What a component's own handler gets is what came.
    assert request.fields == [("idempotency-key", sent.decode("latin-1"))]
