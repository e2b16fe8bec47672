"""Trying a backup out: restored into a server of our own that is gone afterwards, and verified."""

from pathlib import Path

from msgspec import structs

from broker.jetstream.archive import open_archive
from broker.jetstream.connect import connect
from broker.jetstream.options import ConnectOptions
from shem.backup.creating import Progress
from shem.backup.manifest import read_manifest
from shem.backup.restoring import Restored, restore
from shem.throwaway_broker import throwaway_broker
from shem.verification import Verified, verify

__all__ = ["try_out"]


async def try_out(
    folder: Path, *, progress: Progress, within: Path | None = None
) -> tuple[Restored, Verified]:
    """Restore a backup into a throwaway server and verify all logs with their payloads.

    It takes as much room as the backup unpacked, in a temporary folder of `within`, and leaves
    nothing behind, whatever ends it.

    Raises:
        BackupError: the backup is damaged.
        SetupError: there is no nats-server, or no place for its data.
    """
    manifest = read_manifest(folder)
    mapped = manifest.mapped_partitions
    async with throwaway_broker(within=within, mapped_partitions=mapped) as url:
        connection = ConnectOptions(servers=(url,), name="shem-backup")
        archive = await open_archive(connection)
        try:
            restored = await restore(archive, folder, replicas=1, progress=progress)
        finally:
            await archive.close()
        broker = await connect(structs.replace(connection, assume_durable=True))
        try:
            return restored, await verify(broker, with_payloads=True)
        finally:
            await broker.close()
