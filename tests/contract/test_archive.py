"""Streams as files on a real server: what a snapshot holds, and what is stored while it is made."""

from collections.abc import Callable

import pytest

from broker.jetstream.archive import Snapshot, open_archive
from broker.jetstream.connect import connect
from broker.jetstream.options import ConnectOptions
from broker.subjects import STREAM
from shem.backup import BackupError, create, restore
from shem.backup.manifest import LATER_FILE
from tests.conftest import NatsServer


def quiet(_stream: str, _done: int) -> None:
    """Nobody watches."""


async def test_objects_stored_and_removed_during_a_backup_are_in_it(
    nats_server, tmp_path, until, monkeypatch
):
    options = ConnectOptions(servers=(nats_server.url,), assume_durable=True)
    broker = await connect(options)
    await broker.blobs.put("before", b"1" * 3_000_000)
    last = await broker.journal.publish("shem.invoke.c.archived", b"x", message_id="archived-1")
    archive = await open_archive(options)
    save, saved = archive.save, []

    async def save_between(stream: str, write: Callable[[bytes], None]) -> Snapshot:
        """Behind the log's snapshot, which may name it, an object is stored and removed."""
        if saved[-1:] == [STREAM]:
            await broker.blobs.put("meanwhile", b"2" * 3_000_000)
            later = tmp_path / "saved" / LATER_FILE
            await until(lambda: later.stat().st_size > 2_900_000)
            await broker.blobs.delete("meanwhile")
        saved.append(stream)
        return await save(stream, write)

    monkeypatch.setattr(archive, "save", save_between)
    made = await create(archive, tmp_path / "saved", progress=quiet)
    assert STREAM in saved[:-1]
    await archive.close()
    await broker.close()
    assert made.cut >= last.sequence

    (tmp_path / "other").mkdir()
    other = NatsServer(tmp_path / "other").start()
    try:
        options = ConnectOptions(servers=(other.url,), assume_durable=True)
        archive = await open_archive(options)
        await restore(archive, tmp_path / "saved", replicas=None, progress=quiet)
        with pytest.raises(BackupError, match="in use"):
            await restore(archive, tmp_path / "saved", replicas=None, progress=quiet)
        await archive.close()
        broker = await connect(options)
        assert await broker.blobs.get("before") == b"1" * 3_000_000
        assert await broker.blobs.get("meanwhile") == b"2" * 3_000_000
        found = await broker.journal.get("shem.invoke.c.archived", last.sequence)
        assert found is not None
        assert found.data == b"x"
        await broker.close()
    finally:
        other.stop()


async def test_a_restore_that_fails_leaves_nothing_behind(nats_server, tmp_path):
    options = ConnectOptions(servers=(nats_server.url,), assume_durable=True)
    await (await connect(options)).close()
    archive = await open_archive(options)
    await create(archive, tmp_path / "saved", progress=quiet)
    await archive.close()

    (tmp_path / "other").mkdir()
    other = NatsServer(tmp_path / "other").start()
    try:
        archive = await open_archive(ConnectOptions(servers=(other.url,)))
        # One server alone cannot hold three replicas.
        with pytest.raises(Exception, match="replicas"):
            await restore(archive, tmp_path / "saved", replicas=3, progress=quiet)
        assert await archive.streams() == []
        await restore(archive, tmp_path / "saved", replicas=None, progress=quiet)
        await archive.close()
    finally:
        other.stop()
