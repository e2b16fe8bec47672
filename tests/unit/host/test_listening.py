"""wasi:sockets/tcp of a worker that others connect to, before and after a crash; socket options."""

import asyncio
import socket
from typing import Any

import pytest

from actors.engine.errors import GuestTrap
from actors.host.sockets.addresses import Endpoint
from actors.host.sockets.connection import Connection
from actors.host.sockets.limits import SYSTEM_BUFFER_BYTES_MAX
from actors.host.sockets.options import TCP_OPTIONS, UDP_OPTIONS, backlog_of
from actors.host.sockets.ready import count_socket
from actors.host.sockets.system import open_socket
from actors.host.sockets.tcp import TcpSocket
from actors.host.sockets.udp import Datagrams
from wit.values import err, ok

HERE = Endpoint("127.0.0.1", 0)
NS = 10**9


def listening(context: Any) -> TcpSocket:
    server = TcpSocket("ipv4")
    assert server.start_listen() == err("invalid-state")
    assert server.finish_listen(context) == err("not-in-progress")
    assert server.accept(context) == err("invalid-state")
    assert server.start_bind(HERE) == ok()
    assert server.finish_bind(context) == ok()
    assert server.start_listen() == ok()
    assert server.finish_listen(context) == ok()
    assert server.start_connect(Endpoint("127.0.0.1", 9)) == err("invalid-state")
    return server


async def connected(context: Any, to: Endpoint) -> Any:
    """Return the socket and its streams."""
    client = TcpSocket("ipv4")
    assert client.start_connect(to) == ok()
    await client.subscribe(context).wait(context)
    case, streams = client.finish_connect(context)
    assert case == "ok", streams
    return client, *streams


def test_a_worker_is_connected_to_and_answers(context):
    async def main() -> None:
        server = listening(context)
        assert server.local is not None
        assert server.accept(context) == err("would-block")
        news = server.subscribe(context)
        assert not news.ready(context)
        client, _, asks = await connected(context, server.local)
        await news.wait(context)
        assert news.ready(context)
        case, (accepted, hears, _) = server.accept(context)
        assert case == "ok"
        assert accepted.remote == client.local
        assert accepted.local == server.local
        assert accepted.address(is_remote=True)[0] == "ok"
        asks.write(context, b"question")
        assert await hears.blocking_read(context, 100) == ok(b"question")
        server.close(context)
        context.close()

    asyncio.run(main())


def test_after_a_crash_it_listens_where_it_did_and_what_stood_is_lost(context):
    async def before() -> None:
        server = listening(context)
        await connected(context, server.local)
        assert server.accept(context)[0] == "ok"
        context.close()

    async def after() -> None:
        replayed = context.replayed()
        server = listening(replayed)
        # The client's part of the log.
        assert replayed._to_replay.pop(0)[0] == "wasi:sockets/tcp#finish-connect"
        case, (_, hears, _) = server.accept(replayed)
        assert case == "ok"
        assert (await hears.blocking_read(replayed, 100))[1][1].network_code == "connection-reset"
        assert server.accept(replayed) == err("would-block")
        client, *_ = await connected(replayed, server.local)
        await server.subscribe(replayed).wait(replayed)
        assert server.accept(replayed)[1][0].remote == client.local
        replayed.close()

    asyncio.run(before())
    asyncio.run(after())


def test_after_a_crash_it_listens_again_before_it_connects_to_itself(context):
    async def before() -> None:
        listening(context)
        context.close()

    async def after() -> None:
        replayed = context.replayed()
        server = listening(replayed)
        await connected(replayed, server.local)
        replayed.close()

    asyncio.run(before())
    asyncio.run(after())


def test_where_it_cannot_listen_again_the_call_fails_and_may_be_tried_again(context):
    async def main() -> None:
        first = listening(context)
        assert first.local is not None
        context.close()
        with open_socket("ipv4", socket.SOCK_STREAM, first.local, {}) as other:
            other.listen()
            replayed = context.replayed()
            server = listening(replayed)
            place = f"127.0.0.1 port {first.local.port} before"
            with pytest.raises(GuestTrap, match=place):
                server.accept(replayed)
            with pytest.raises(GuestTrap, match=place):
                server.subscribe(replayed).ready(replayed)
        again = context.replayed()
        assert listening(again).accept(again) == err("would-block")
        again.close()

    asyncio.run(main())


def test_an_address_is_had_once(context):
    async def main() -> None:
        server = listening(context)
        second = TcpSocket("ipv4")
        assert server.local is not None
        assert second.start_bind(server.local) == ok()
        assert second.finish_bind(context) == err("address-in-use")
        # What was bound and not used is closed, too.
        third = TcpSocket("ipv4")
        assert third.start_bind(HERE) == ok()
        assert third.finish_bind(context) == ok()
        context.close()
        free = open_socket("ipv4", socket.SOCK_STREAM, server.local, {})
        free.close()

    asyncio.run(main())


def test_what_finds_no_room_stays_with_the_system(context):
    async def main() -> None:
        server = listening(context)
        while count_socket(context, 1):
            pass
        assert server.accept(context) == err("new-socket-limit")
        context.close()

    asyncio.run(main())


def test_how_many_may_wait_is_said_any_time_and_bounded(context):
    async def main() -> None:
        server = listening(context)
        assert server.set_backlog(0) == err("invalid-argument")
        assert server.set_backlog(1 << 60) == ok()
        assert backlog_of(server.options) == 4_096
        assert server.state == "listening"
        client, *_ = await connected(context, server.local)
        assert client.set_backlog(5) == err("invalid-state")
        context.close()

    asyncio.run(main())


def on_system(system: socket.socket) -> dict[str, int]:
    ttl = system.getsockopt(socket.IPPROTO_IP, socket.IP_TTL)
    found = {
        "hop-limit": ttl,
        "unicast-hop-limit": ttl,
        # Linux doubles what it is told.
        "receive-buffer-size": system.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2,
        "send-buffer-size": system.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2,
        "keep-alive-enabled": system.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    }
    if system.type == socket.SOCK_STREAM:
        found["keep-alive-idle-time"] = system.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        found["keep-alive-interval"] = system.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
        found["keep-alive-count"] = system.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
    return found


# What the guest sets, and what the system has then.
VALUES = {
    "keep-alive-enabled": (True, 1),
    "keep-alive-idle-time": (9 * NS + 1, 10),
    "keep-alive-interval": (1 << 60, 32_767),
    "keep-alive-count": (1_000, 127),
    "hop-limit": (9, 9),
    "unicast-hop-limit": (9, 9),
    "receive-buffer-size": (30_000, 30_000),
    "send-buffer-size": (31_000, 31_000),
}


@pytest.mark.parametrize("name", TCP_OPTIONS)
def test_options_of_connections_reach_the_system_before_and_after(name):
    value, there = VALUES[name]
    with open_socket("ipv4", socket.SOCK_STREAM, HERE, {name: value}) as system:
        assert on_system(system)[name] == there

    async def main() -> None:
        system = open_socket("ipv4", socket.SOCK_STREAM, HERE, {})
        connection = Connection(system, Endpoint("127.0.0.1", 9), asyncio.Event().wait)
        assert on_system(system)[name] != there
        connection.apply({name: value})
        assert on_system(system)[name] == there
        connection.abort()

    asyncio.run(main())


@pytest.mark.parametrize("name", UDP_OPTIONS)
def test_options_of_datagrams_reach_the_system_before_and_after(name):
    value, there = VALUES[name]
    with open_socket("ipv4", socket.SOCK_DGRAM, HERE, {name: value}) as system:
        assert on_system(system)[name] == there

    async def main() -> None:
        system = open_socket("ipv4", socket.SOCK_DGRAM, HERE, {})
        datagrams = Datagrams(system, asyncio.Event().wait)
        datagrams.apply({name: value})
        assert on_system(system)[name] == there
        datagrams.abort()

    asyncio.run(main())


def test_options_of_the_other_family_and_sizes_beyond_all_bounds():
    options = {"hop-limit": 9, "receive-buffer-size": 1 << 63}
    with open_socket("ipv6", socket.SOCK_STREAM, None, options) as system:
        assert system.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) == 9
        there = system.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert there <= 2 * SYSTEM_BUFFER_BYTES_MAX


def test_accepted_connections_inherit_options(context):
    async def main() -> None:
        server = listening(context)
        server.set_option("hop-limit", 9)
        await connected(context, server.local)
        await server.subscribe(context).wait(context)
        accepted = server.accept(context)[1][0]
        assert accepted.options["hop-limit"] == 9
        accepted.set_option("hop-limit", 10)
        assert server.options["hop-limit"] == 9
        context.close()

    asyncio.run(main())
