"""wasi:sockets: a worker has no network, and every function says so in its own way."""

import pytest

from actors.host.streams import IoError
from actors.host.table import TABLE
from wit.types import Primitive
from wit.values import err, some

BY_RESULT = [
    f"{interface}#{name}"
    for interface in ("tcp", "udp", "ip-name-lookup", "tcp-create-socket", "udp-create-socket")
    for name in TABLE[f"wasi:sockets/{interface}"].functions
    if not name.endswith((".subscribe", ".is-listening", ".address-family"))
]


ADDRESS = ("ipv4", {"port": 80, "address": (127, 0, 0, 1)})
EXAMPLES = {
    "address-family": "ipv4",
    "datagrams": [],
    "local-address": ADDRESS,
    "max-results": 1,
    "name": "localhost",
    "remote-address": ADDRESS,
    "shutdown-type": "both",
}


@pytest.mark.parametrize("name", BY_RESULT)
def test_what_has_a_result_is_denied(context, call, declared, name):
    interface, _, function = name.partition("#")
    arguments = [
        some(ADDRESS)
        if function.endswith(".stream") and parameter.name == "remote-address"
        else EXAMPLES.get(parameter.name, True if parameter.type is Primitive.BOOL else 1)
        for parameter in declared[f"wasi:sockets/{interface}"][function].parameters
    ]
    assert call(context, f"wasi:sockets/{name}", *arguments) == err("access-denied")


@pytest.mark.parametrize(
    "name",
    [
        "tcp#[method]tcp-socket",
        "udp#[method]udp-socket",
        "udp#[method]incoming-datagram-stream",
        "udp#[method]outgoing-datagram-stream",
        "ip-name-lookup#[method]resolve-address-stream",
    ],
)
def test_nothing_makes_a_guest_wait_for_a_refusal(context, call, name):
    assert call(context, f"wasi:sockets/{name}.subscribe", object()).ready(context)


def test_questions_without_a_result_have_plain_answers(context, call):
    assert call(context, "wasi:sockets/tcp#[method]tcp-socket.is-listening", object()) is False
    for name in ("tcp#[method]tcp-socket", "udp#[method]udp-socket"):
        assert call(context, f"wasi:sockets/{name}.address-family", object()) == "ipv4"


def test_errors_of_the_network_have_a_code_and_others_none(context, call):
    name = "wasi:sockets/network#network-error-code"
    assert call(context, name, IoError("", network_code="timeout")) == some("timeout")
    assert call(context, name, IoError("", filesystem_code="io")) is None


def test_a_worker_has_a_network_to_be_refused_by(context, call):
    assert call(context, "wasi:sockets/instance-network#instance-network") is not None
