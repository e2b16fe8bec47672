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
from broker.sharding import Sharding, mappings_text


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


async def test_several_streams_are_found_again(make_nats_server):
    url = make_nats_server(mappings_text(8)).url
    assert await connect_and_close(url, partitions=8, streams=3) == 8
    broker = await connect(ConnectOptions(servers=(url,)))
    assert broker.sharding == Sharding(8, 3)
    await broker.close()
    for other, advice in ((2, "not be joined"), (4, "not be joined"), (6, "streams split 6")):
        asked = rf"3 stream\(s\) hold the logs here, {other} are asked for.*{advice}"
        with pytest.raises(SetupError, match=asked):
            await connect_and_close(url, streams=other)


async def test_several_streams_need_a_server_that_sorts(nats_url):
    with pytest.raises(SetupError, match="no stream takes them in") as caught:
        await connect_and_close(nats_url, partitions=8, streams=3)
    assert mappings_text(8) in str(caught.value)


async def test_sorting_into_another_number_of_partitions_is_noticed(make_nats_server):
    url = make_nats_server(mappings_text(4)).url
    with pytest.raises(SetupError, match="instead of SHEM_OPLOG"):
        await connect_and_close(url, partitions=9, streams=3)


async def test_a_stream_of_another_number_of_streams_is_refused(make_nats_server):
    url = make_nats_server(mappings_text(8)).url
    await connect_and_close(url, partitions=8, streams=2)
    await request(url, "STREAM.DELETE.SHEM_OPLOG", {})
    with pytest.raises(SetupError, match=r"SHEM_OPLOG_1 .*belongs to another number of streams"):
        await connect_and_close(url, partitions=8, streams=4)
