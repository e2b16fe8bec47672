"""One connection against a server of the test's own, over a real socket."""

import asyncio
import time

import pytest
import uvloop

from broker.jetstream.lean_connection import LeanConnection
from broker.jetstream.limits import (
    MESSAGES_PER_TURN_MAX,
    MESSAGES_PER_TURN_MIN,
    READ_BACKLOG_BYTES_HIGH,
    TURN_S,
    WRITE_BUFFER_BYTES_HIGH,
)
from broker.jetstream.options import ConnectOptions, ServerAddress

INFO = b'INFO {"headers":true,"max_payload":1048576}\r\n'
BODY = b"x" * 1000
MESSAGE = b"MSG a 1 %d\r\n%b\r\n" % (len(BODY), BODY)
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run_scenario(scenario):
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(scenario())

    return run_scenario


async def connected(talk):
    """Return a connection to a server that greets and then runs `talk(writer)`, and its log."""
    seen = []
    ended = asyncio.Event()

    async def serve(reader, writer):
        writer.write(INFO)
        await reader.readline()
        try:
            await talk(writer)
        finally:
            writer.close()
            ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = LeanConnection(
        ConnectOptions(servers=()), None, lambda *message: seen.append(message), seen.append
    )
    await connection.open(ServerAddress(host="127.0.0.1", port=port))
    return connection, seen, server


async def portions_of(data, *, heard=lambda: None):
    """Return how many messages each turn of the event loop takes of what arrives at once."""
    seen = []

    def on_message(*message):
        seen.append(message)
        heard()

    connection = LeanConnection(ConnectOptions(servers=()), None, on_message, seen.append)
    connection.data_received(data)
    portions = [len(seen)]
    while portions[-1]:
        before = len(seen)
        await asyncio.sleep(0)
        portions.append(len(seen) - before)
    return portions[:-1]


def test_what_arrives_together_is_taken_in_portions(run):
    small = b"MSG a 1 0\r\n\r\n"
    assert run(lambda: portions_of(small * 30)) == [8, 8, 8, 6]


def test_the_more_waits_the_larger_are_the_portions(run, monkeypatch):
    # Turns of the test may take long where the machine is busy.
    monkeypatch.setattr("broker.jetstream.lean_connection.TURN_S", 60)
    count = 3 * MESSAGES_PER_TURN_MAX
    portions = run(lambda: portions_of(MESSAGE * count))
    assert sum(portions) == count
    # What a message takes of a turn is found out with the first of them.
    assert portions[:2] == [MESSAGES_PER_TURN_MIN, MESSAGES_PER_TURN_MAX]
    assert max(portions) == MESSAGES_PER_TURN_MAX
    few = run(lambda: portions_of(MESSAGE * 20))
    assert few[:2] == [MESSAGES_PER_TURN_MIN, 12]


def test_portions_stay_small_where_messages_cause_much(run):
    def compute():
        # In the turn of the message, but not in its callback, as guests do.
        asyncio.get_running_loop().call_soon(time.sleep, TURN_S / 2)

    count = 3 * MESSAGES_PER_TURN_MIN
    portions = run(lambda: portions_of(MESSAGE * count, heard=compute))
    assert portions == [MESSAGES_PER_TURN_MIN] * 3


def test_more_than_the_backlog_waits_in_the_socket_and_none_is_lost(run):
    count = 3 * READ_BACKLOG_BYTES_HIGH // len(MESSAGE)

    async def scenario():
        async def talk(writer):
            for _ in range(count // 100):
                writer.write(MESSAGE * 100)
                await writer.drain()
            await asyncio.Event().wait()

        connection, seen, server = await connected(talk)
        while len(seen) < count // 100 * 100:
            await asyncio.sleep(0)
            assert connection.backlog_bytes <= READ_BACKLOG_BYTES_HIGH + 1024 * 1024
        assert all(message[4] == BODY for message in seen)
        await connection.abort()
        server.close()

    run(scenario)


def test_what_had_arrived_before_the_end_is_still_handed_out(run):
    count = 20 * MESSAGES_PER_TURN_MAX

    async def scenario():
        async def talk(writer):
            writer.write(MESSAGE * count + b"-ERR 'Server Shutdown'\r\n")
            await writer.drain()

        connection, seen, server = await connected(talk)
        assert await connection.wait_until_lost() == "Server Shutdown"
        assert len(seen) == count + 1
        server.close()

    run(scenario)


def test_a_server_that_reads_nothing_shows_before_the_turn_ends_that_writes_too_much(run):
    count = 16 * WRITE_BUFFER_BYTES_HIGH // len(MESSAGE)

    async def scenario():
        async def talk(_writer):
            await asyncio.Event().wait()

        connection, _, server = await connected(talk)
        assert not connection.is_congested
        for _ in range(count):
            connection.write(MESSAGE)
        assert connection.is_congested
        assert WRITE_BUFFER_BYTES_HIGH < connection.outgoing_bytes <= count * len(MESSAGE) + 1024
        await connection.abort()
        assert not connection.is_congested
        server.close()

    run(scenario)
