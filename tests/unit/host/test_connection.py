"""Sockets of the system are closed, whatever state they are in when the worker ends."""

import asyncio
import gc
import socket
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from actors.host.sockets.addresses import Endpoint
from actors.host.sockets.connection import Connection
from actors.host.sockets.limits import SEND_BUFFER_BYTES_MAX
from actors.host.sockets.system import Listener, endpoint_of_system, open_socket
from actors.host.sockets.udp import Datagrams

HERE = Endpoint("127.0.0.1", 0)
WITHIN_S = 10

# What is left open shows when it is collected, which is after each test.
pytestmark = pytest.mark.usefixtures("quick_collections")


async def _committed() -> None:
    return


async def _never() -> None:
    await asyncio.Event().wait()


def _connection(port: int, committed: Callable[[], Awaitable[None]] = _committed) -> Connection:
    system = open_socket("ipv4", socket.SOCK_STREAM, None, {})
    return Connection(system, Endpoint("127.0.0.1", port), committed)


def _leaves_nothing(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(asyncio.wait_for(main(), WITHIN_S))
        gc.collect()
    assert [str(one.message) for one in said] == []


async def _dropped(turns: int, *, politely: bool) -> None:
    """Connect, perhaps close, then cut it after so many turns of the loop."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(100):
                pass
        except OSError:
            pass
        finally:
            writer.close()
            gone.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        connection = _connection(server.sockets[0].getsockname()[1])
        while not connection.is_connected:
            await connection.change()
        if politely:
            connection.close()
        for _ in range(turns):
            await asyncio.sleep(0)
        connection.abort()
        await gone.wait()


@pytest.mark.parametrize("politely", [True, False])
@pytest.mark.parametrize("turns", range(8))
def test_a_connection_cut_while_it_ends_leaves_no_socket(turns: int, *, politely: bool) -> None:
    _leaves_nothing(lambda: _dropped(turns, politely=politely))


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("committed", [_committed, _never])
def test_a_connection_cut_before_it_stands_leaves_no_socket(
    turns: int, committed: Callable[[], Awaitable[None]]
) -> None:
    async def main() -> None:
        with open_socket("ipv4", socket.SOCK_STREAM, HERE, {}) as deaf:
            deaf.listen(1)
            ended = asyncio.Event()
            connection = _connection(deaf.getsockname()[1], committed)
            connection.on_end = ended.set
            for _ in range(turns):
                await asyncio.sleep(0)
            connection.abort()
            await ended.wait()

    _leaves_nothing(main)


@pytest.mark.parametrize("politely", [True, False])
@pytest.mark.parametrize("end", ["abort", "loop"])
def test_nobody_waits_for_a_peer_that_does_not_read(end: str, *, politely: bool) -> None:
    peers: list[socket.socket] = []

    async def main() -> None:
        listener = Listener(open_socket("ipv4", socket.SOCK_STREAM, HERE, {}), {})
        port = listener.system.getsockname()[1]
        connection = _connection(port)
        await listener.change()
        peers.append(listener.accept()[0])
        listener.abort()
        # More than the system takes for one that does not read.
        connection.send(bytes(16 * SEND_BUFFER_BYTES_MAX))
        while connection.room < SEND_BUFFER_BYTES_MAX:
            await connection.change()
        if politely:
            connection.close()
        ended = asyncio.Event()
        connection.on_end = ended.set
        if end == "abort":
            connection.abort()
            await ended.wait()
        # Otherwise the loop's own end has to be enough.

    _leaves_nothing(main)
    # It is there all the time.
    peers.pop().close()


def test_what_a_peer_does_not_read_is_given_up_some_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.host.sockets.connection.LINGER_S", 0.01)

    async def main() -> None:
        listener = Listener(open_socket("ipv4", socket.SOCK_STREAM, HERE, {}), {})
        connection = _connection(listener.system.getsockname()[1])
        connection.send(bytes(16 * SEND_BUFFER_BYTES_MAX))
        ended = asyncio.Event()
        connection.on_end = ended.set
        connection.close()
        await ended.wait()
        listener.abort()

    _leaves_nothing(main)


def test_what_was_written_before_the_end_arrives() -> None:
    async def main() -> None:
        listener = Listener(open_socket("ipv4", socket.SOCK_STREAM, HERE, {}), {})
        connection = _connection(listener.system.getsockname()[1])
        connection.send(b"last words")
        connection.close()
        await listener.change()
        peer, _ = listener.accept()
        listener.abort()
        accepted = Connection(peer, None, _committed)
        while not accepted.is_at_end:
            await accepted.change()
        assert accepted.take(100) == b"last words"
        accepted.close()

    _leaves_nothing(main)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("committed", [_committed, _never])
def test_datagrams_cut_while_they_are_sent_leave_no_socket(
    turns: int, committed: Callable[[], Awaitable[None]]
) -> None:
    async def main() -> None:
        datagrams = Datagrams(open_socket("ipv4", socket.SOCK_DGRAM, HERE, {}), committed)
        ended = asyncio.Event()
        datagrams.on_end = ended.set
        datagrams.send(b"x", datagrams.local)
        for _ in range(turns):
            await asyncio.sleep(0)
        datagrams.abort()
        await ended.wait()

    _leaves_nothing(main)


def test_a_datagram_given_before_the_end_is_sent() -> None:
    async def main() -> None:
        sender = Datagrams(open_socket("ipv4", socket.SOCK_DGRAM, HERE, {}), _committed)
        receiver = Datagrams(open_socket("ipv4", socket.SOCK_DGRAM, HERE, {}), _committed)
        sender.send(b"last words", receiver.local)
        sender.close()
        while not receiver.received:
            await receiver.change()
        assert receiver.take(9) == [(b"last words", sender.local)]
        receiver.abort()

    _leaves_nothing(main)


def test_several_may_wait_for_the_same_connection() -> None:
    async def main() -> None:
        system = open_socket("ipv4", socket.SOCK_STREAM, HERE, {})
        here = endpoint_of_system(system)
        listener = Listener(system, {})
        async with asyncio.TaskGroup() as group:
            given_up = group.create_task(listener.change())
            others = [group.create_task(listener.change()) for _ in range(2)]
            await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.sleep(0)
            assert not any(one.done() for one in others)
            assert not listener.is_ready
            connection = _connection(here.port)
        assert listener.is_ready
        peer, remote = listener.accept()
        assert remote.host == "127.0.0.1"
        peer.close()
        connection.abort()
        # The end is news, too.
        waiting = asyncio.create_task(listener.change())
        await asyncio.sleep(0)
        listener.abort()
        await waiting

    _leaves_nothing(main)
