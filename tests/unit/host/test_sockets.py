"""wasi:sockets: without the permission, with wrong arguments, and what is mere bookkeeping."""

import asyncio

import pytest

from actors.host.sockets.addresses import Endpoint, code_of, endpoint_of, to_wit
from actors.host.sockets.limits import LOOKUPS_MAX, SOCKETS_MAX
from actors.host.streams import IoError
from wit.values import err, ok, some

V4 = ("ipv4", {"port": 80, "address": (127, 0, 0, 1)})
V6 = (
    "ipv6",
    {"port": 80, "flow-info": 0, "address": (0, 0, 0, 0, 0, 0, 0, 1), "scope-id": 0},
)
ANY = ("ipv4", {"port": 80, "address": (0, 0, 0, 0)})
NO_PORT = ("ipv4", {"port": 0, "address": (127, 0, 0, 1)})


@pytest.fixture
def allowed(context):
    context.allows_sockets = True
    return context


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("tcp-create-socket#create-tcp-socket", ["ipv4"]),
        ("udp-create-socket#create-udp-socket", ["ipv6"]),
        ("ip-name-lookup#resolve-addresses", [object(), "localhost"]),
    ],
)
def test_without_the_permission_everything_is_denied(context, call, name, arguments):
    assert call(context, f"wasi:sockets/{name}", *arguments) == err("access-denied")


def test_a_worker_has_a_limited_number_of_sockets(allowed, call):
    create = "wasi:sockets/tcp-create-socket#create-tcp-socket"
    made = [call(allowed, create, "ipv4")[1] for _ in range(SOCKETS_MAX)]
    assert call(allowed, create, "ipv4") == err("new-socket-limit")
    made[0].close(allowed)
    assert call(allowed, create, "ipv4")[0] == "ok"


@pytest.mark.parametrize("address", [V6, ANY, NO_PORT])
def test_what_cannot_be_connected_to_is_refused(allowed, call, address):
    socket = call(allowed, "wasi:sockets/tcp-create-socket#create-tcp-socket", "ipv4")[1]
    start = "wasi:sockets/tcp#[method]tcp-socket.start-connect"
    assert call(allowed, start, socket, object(), address) == err("invalid-argument")
    finish = "wasi:sockets/tcp#[method]tcp-socket.finish-connect"
    assert call(allowed, finish, socket) == err("not-in-progress")


def test_a_bound_socket_has_an_address_and_a_family(allowed, call):
    tcp = "wasi:sockets/tcp#[method]tcp-socket."
    socket = call(allowed, "wasi:sockets/tcp-create-socket#create-tcp-socket", "ipv4")[1]
    assert call(allowed, f"{tcp}local-address", socket) == err("invalid-state")
    assert call(allowed, f"{tcp}finish-bind", socket) == err("not-in-progress")
    assert call(allowed, f"{tcp}start-bind", socket, object(), V6) == err("invalid-argument")
    assert call(allowed, f"{tcp}start-bind", socket, object(), NO_PORT) == ok()
    assert call(allowed, f"{tcp}finish-bind", socket) == ok()
    bound = call(allowed, f"{tcp}local-address", socket)[1][1]
    assert bound["address"] == (127, 0, 0, 1)
    # The one that it has, not the one that it asked for.
    assert bound["port"]
    assert call(allowed, f"{tcp}start-bind", socket, object(), V4) == err("invalid-state")
    assert call(allowed, f"{tcp}remote-address", socket) == err("invalid-state")
    assert call(allowed, f"{tcp}shutdown", socket, "both") == err("invalid-state")
    assert call(allowed, f"{tcp}address-family", socket) == "ipv4"
    allowed.close()


def test_no_address_is_had_that_is_not_there(allowed, call):
    tcp = "wasi:sockets/tcp#[method]tcp-socket."
    socket = call(allowed, "wasi:sockets/tcp-create-socket#create-tcp-socket", "ipv4")[1]
    elsewhere = ("ipv4", {"port": 0, "address": (192, 0, 2, 1)})
    assert call(allowed, f"{tcp}start-bind", socket, object(), elsewhere) == ok()
    assert call(allowed, f"{tcp}finish-bind", socket) == err("address-not-bindable")
    assert call(allowed, f"{tcp}start-bind", socket, object(), NO_PORT) == ok()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keep-alive-idle-time", 10**9),
        ("keep-alive-interval", 10**9),
        ("keep-alive-count", 3),
        ("hop-limit", 9),
        ("receive-buffer-size", 1_000),
        ("send-buffer-size", 1_000),
    ],
)
def test_options_are_kept_and_none_is_zero(allowed, call, name, value):
    tcp = "wasi:sockets/tcp#[method]tcp-socket."
    socket = call(allowed, "wasi:sockets/tcp-create-socket#create-tcp-socket", "ipv4")[1]
    assert call(allowed, f"{tcp}{name}", socket)[0] == "ok"
    assert call(allowed, f"{tcp}set-{name}", socket, 0) == err("invalid-argument")
    assert call(allowed, f"{tcp}set-{name}", socket, value) == ok()
    assert call(allowed, f"{tcp}{name}", socket) == ok(value)


def test_keep_alive_is_off_until_it_is_set(allowed, call):
    tcp = "wasi:sockets/tcp#[method]tcp-socket."
    socket = call(allowed, "wasi:sockets/tcp-create-socket#create-tcp-socket", "ipv6")[1]
    assert call(allowed, f"{tcp}keep-alive-enabled", socket) == ok(False)
    assert call(allowed, f"{tcp}set-keep-alive-enabled", socket, True) == ok()
    assert call(allowed, f"{tcp}keep-alive-enabled", socket) == ok(True)


def test_addresses_need_no_lookup(allowed, call):
    resolve = "wasi:sockets/ip-name-lookup#resolve-addresses"
    following = "wasi:sockets/ip-name-lookup#[method]resolve-address-stream.resolve-next-address"
    stream = call(allowed, resolve, object(), "::1")[1]
    assert stream.subscribe(allowed).ready(allowed)
    assert call(allowed, following, stream) == ok(some(("ipv6", (0, 0, 0, 0, 0, 0, 0, 1))))
    assert call(allowed, following, stream) == ok(None)
    assert allowed.log == []


def test_a_worker_looks_up_a_limited_number_of_names_at_a_time(allowed, call):
    resolve = "wasi:sockets/ip-name-lookup#resolve-addresses"
    streams = [call(allowed, resolve, object(), "localhost")[1] for _ in range(LOOKUPS_MAX)]
    assert call(allowed, resolve, object(), "localhost") == err("temporary-resolver-failure")
    streams[0].close(allowed)
    assert call(allowed, resolve, object(), "localhost")[0] == "ok"


def test_a_name_is_not_looked_up_any_more_when_the_worker_ends(allowed, call):
    resolve = "wasi:sockets/ip-name-lookup#resolve-addresses"
    stream = call(allowed, resolve, object(), "localhost")[1]

    async def main():
        before = asyncio.all_tasks()
        stream.subscribe(allowed).ready(allowed)
        (looking,) = asyncio.all_tasks() - before
        allowed.close()
        await asyncio.wait({looking})
        assert looking.cancelled()

    asyncio.run(main())


@pytest.mark.parametrize("name", ["", "a b", "x" * 300, "a\r\nb", "-a"])
def test_what_is_no_name_is_not_looked_up(allowed, call, name):
    resolve = "wasi:sockets/ip-name-lookup#resolve-addresses"
    assert call(allowed, resolve, object(), name) == err("invalid-argument")


@pytest.mark.parametrize("address", [V4, V6])
def test_addresses_survive_the_way_through_the_system(address):
    assert to_wit(endpoint_of(address)) == address
    assert endpoint_of(V6) == Endpoint("::1", 80)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionRefusedError(111, "x"), "connection-refused"),
        (TimeoutError(), "timeout"),
        (BrokenPipeError(32, "x"), "connection-reset"),
        (OSError(113, "x"), "remote-unreachable"),
        (ValueError(), "unknown"),
    ],
)
def test_errors_of_the_system_have_codes(error, code):
    assert code_of(error) == code


def test_errors_of_the_network_have_a_code_and_others_none(context, call):
    name = "wasi:sockets/network#network-error-code"
    assert call(context, name, IoError("", network_code="timeout")) == some("timeout")
    assert call(context, name, IoError("", filesystem_code="io")) is None


def test_a_worker_has_a_network_to_be_refused_by(context, call):
    assert call(context, "wasi:sockets/instance-network#instance-network") is not None
