"""What is created, what is refused, and what the message says to do about it."""

import json

import pytest

from broker import subjects
from broker.errors import SetupError
from broker.jetstream.api import JetStreamApi
from broker.jetstream.connect import ConnectOptions, connect
from broker.jetstream.setup import Setup
from broker.jetstream.wire import ServerInfo
from broker.jetstream.wire_lean import LeanWire


async def request(url, operation, body):
    wire = await LeanWire.connect(ConnectOptions(servers=(url,)))
    answer = await wire.request(f"$JS.API.{operation}", json.dumps(body).encode(), timeout_s=5)
    await wire.close()
    return json.loads(answer.data)


async def connect_and_close(url, **options):
    broker = await connect(ConnectOptions(servers=(url,), **options))
    partitions = broker.partitions
    await broker.close()
    return partitions


async def test_partitions_are_chosen_once_and_found_again(nats_url):
    assert await connect_and_close(nats_url, partitions=16) == 16
    assert await connect_and_close(nats_url) == 16


async def test_sixteen_partitions_unless_told(nats_url):
    assert await connect_and_close(nats_url) == 16


async def test_other_partitions_than_the_streams_are_refused(nats_url):
    await connect_and_close(nats_url, partitions=16)
    with pytest.raises(SetupError, match="made with 16 partitions, 32 are asked for"):
        await connect_and_close(nats_url, partitions=32)


async def test_other_replicas_than_the_streams_are_refused(nats_url):
    await connect_and_close(nats_url)
    with pytest.raises(SetupError, match="--replicas 3"):
        await connect_and_close(nats_url, replicas=3)


async def test_more_replicas_than_servers_are_refused(nats_url):
    with pytest.raises(SetupError, match="3 replicas asked for"):
        await connect_and_close(nats_url, replicas=3)


async def test_a_stream_that_forgets_messages_is_refused(nats_url):
    stream = {"name": subjects.STREAM, "subjects": ["shem.>"], "max_age": 10**9 * 3600}
    await request(nats_url, f"STREAM.CREATE.{subjects.STREAM}", stream)
    with pytest.raises(SetupError, match="max_age is 3600000000000 instead of 0") as caught:
        await connect_and_close(nats_url)
    assert "allow_msg_schedules" in str(caught.value)
    assert "subject transform" in str(caught.value)


async def test_a_server_without_jetstream_is_refused(make_nats_server, monkeypatch):
    monkeypatch.setattr("broker.jetstream.setup._SETUP_RETRIES", 1)
    server = make_nats_server()
    server.stop()
    config = server.directory / "server.conf"
    text = config.read_text()
    without = "\n".join(line for line in text.splitlines() if not line.startswith("jetstream"))
    monkeypatch.setattr(
        type(config), "write_text", lambda self, _: self.write_bytes(without.encode())
    )
    server.start()
    with pytest.raises(SetupError, match="enable it on the server"):
        await connect_and_close(server.url)


async def test_an_old_server_is_refused_before_anything_is_created():
    class OldWire:
        server = ServerInfo(version="2.11.4")

    setup = Setup(JetStreamApi(OldWire(), "$JS.API."), ConnectOptions(servers=("x",)))
    with pytest.raises(
        SetupError, match=r"2\.11\.4 is too old, it lacks: message schedules.*2\.14\.0"
    ):
        await setup.run()


@pytest.mark.parametrize("url", ["http://host:1", "nats://", "nats://host:port"])
async def test_a_malformed_url_is_refused(url):
    with pytest.raises(SetupError, match="URL"):
        await connect_and_close(url)


async def test_no_server_at_all_is_refused():
    with pytest.raises(SetupError, match="at least one"):
        await connect(ConnectOptions(servers=()))
