"""The embedded server: a real process, its data, its owner."""

import asyncio
import json
import os
import signal
import socket

import pytest

from broker.embedded import (
    MAPPED_FILE,
    EmbeddedOptions,
    EmbeddedServer,
    Fsync,
    find_server,
    holds_streams,
)
from broker.errors import SetupError
from broker.jetstream.connect import ConnectOptions, connect
from broker.jetstream.durability import Durability
from broker.subjects import invoke, mailbox


async def eventually(holds):
    async with asyncio.timeout(15):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


async def test_it_starts_on_a_free_port_and_stops(tmp_path):
    async with EmbeddedServer(EmbeddedOptions(data_dir=tmp_path)) as server:
        broker = await connect(ConnectOptions(servers=(server.url,), partitions=2))
        assert broker.payload_bytes_max == 8 * 1024 * 1024
        await broker.close()
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("fsync", "durability"),
    [(Fsync.ALWAYS, Durability.ALWAYS), (Fsync.INTERVAL, Durability.LAZY)],
)
async def test_the_server_says_how_it_syncs(tmp_path, fsync, durability):
    port_file = tmp_path / "ports"
    options = EmbeddedOptions(data_dir=tmp_path, fsync=fsync, extra_config='http: "127.0.0.1:-1"')
    async with EmbeddedServer(options) as server:
        [file] = port_file.glob("*.ports")
        [monitor] = json.loads(file.read_text())["monitoring"]
        broker = await connect(
            ConnectOptions(servers=(server.url,), partitions=2, monitor_url=monitor)
        )
        assert broker.durability is durability
        await broker.close()


async def test_a_killed_server_comes_back_on_the_same_port_with_its_data(tmp_path):
    async with EmbeddedServer(EmbeddedOptions(data_dir=tmp_path)) as server:
        url, pid = server.url, server.pid
        broker = await connect(ConnectOptions(servers=(url,), partitions=2))
        await broker.journal.publish(invoke("c", "w"), b"kept", message_id="1")
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: server.restarts == 1)
        await broker.journal.publish(invoke("c", "w"), b"after", message_id="2")
        stored = [message.data async for message in broker.journal.read(mailbox("c", "w", 2))]
        assert stored == [b"kept", b"after"]
        assert server.url == url
        assert server.pid != pid
        await broker.close()


async def test_a_data_directory_has_one_owner(tmp_path):
    async with EmbeddedServer(EmbeddedOptions(data_dir=tmp_path)):
        with pytest.raises(SetupError, match=rf"in use by process {os.getpid()}"):
            await EmbeddedServer(EmbeddedOptions(data_dir=tmp_path)).start()
    async with EmbeddedServer(EmbeddedOptions(data_dir=tmp_path)):
        pass


async def test_a_data_directory_has_any_name(tmp_path):
    directory = tmp_path / 'für "alle" $HOME #1'
    async with EmbeddedServer(EmbeddedOptions(data_dir=directory)) as server:
        assert (directory / "jetstream").is_dir()
        assert server.log_file.is_file()


async def test_a_data_directory_that_takes_no_files_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match=r"cannot be kept in .*file/data: .*Not a directory"):
        await EmbeddedServer(EmbeddedOptions(data_dir=tmp_path / "file" / "data")).start()


async def test_a_killed_server_comes_back_once_its_directory_takes_files_again(tmp_path):
    async with EmbeddedServer(EmbeddedOptions(data_dir=tmp_path)) as server:
        config, pid = tmp_path / "nats-server.conf", server.pid
        # Nobody, root included, writes to a file whose place is taken by a directory.
        config.unlink()
        config.mkdir()
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: server.restarts >= 1)
        config.rmdir()
        broker = await connect(ConnectOptions(servers=(server.url,), partitions=2))
        await broker.close()
        assert server.pid != pid


async def test_a_start_that_failed_decides_nothing(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        options = EmbeddedOptions(data_dir=tmp_path, port=port, mapped_partitions=4)
        with pytest.raises(SetupError, match="address already in use"):
            await EmbeddedServer(options).start()
    assert (tmp_path / "jetstream").exists()
    assert not holds_streams(tmp_path)
    # As if none had been asked for: the other way a broker is sorted for ever.
    assert not (tmp_path / MAPPED_FILE).exists()
    async with EmbeddedServer(EmbeddedOptions(data_dir=tmp_path, mapped_partitions=4)) as server:
        options = ConnectOptions(servers=(server.url,), partitions=4, streams=2)
        await (await connect(options)).close()
    assert holds_streams(tmp_path)
    assert (tmp_path / MAPPED_FILE).read_text().strip() == "4"


async def test_a_server_that_outlived_its_owner_is_ended_first(tmp_path):
    first = EmbeddedServer(EmbeddedOptions(data_dir=tmp_path))
    await first.start()
    orphan = first.pid
    first._supervisor.cancel()
    first._lock.close()
    async with EmbeddedServer(EmbeddedOptions(data_dir=tmp_path)) as second:
        assert second.pid != orphan
        await eventually(lambda: first._process.returncode is not None)
    first._process = None
    await asyncio.gather(first._supervisor, return_exceptions=True)


async def test_a_port_in_use_is_told_with_the_servers_own_words(tmp_path):
    async with EmbeddedServer(EmbeddedOptions(data_dir=tmp_path / "a")) as first:
        port = int(first.url.rpartition(":")[2])
        second = EmbeddedServer(EmbeddedOptions(data_dir=tmp_path / "b", port=port))
        with pytest.raises(SetupError, match="address already in use"):
            await second.start()


def test_a_binary_that_is_no_server_is_refused(tmp_path):
    fake = tmp_path / "nats-server"
    fake.write_text("#!/bin/sh\necho 'nats-server: v2.9.0'\n")
    fake.chmod(0o755)
    with pytest.raises(SetupError, match=r"2\.14\.0"):
        find_server(fake)
    with pytest.raises(SetupError):
        find_server(tmp_path / "absent")


def test_an_old_server_on_the_path_is_passed_over(tmp_path, monkeypatch):
    fake = tmp_path / "nats-server"
    fake.write_text("#!/bin/sh\necho 'nats-server: v2.9.0'\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert find_server() != fake
