"""Restoring a backup for a `shem up` with a broker of its own, which has no data yet."""

import shutil
from pathlib import Path

from broker.embedded import EmbeddedOptions, EmbeddedServer
from broker.jetstream.archive import open_archive
from broker.jetstream.options import ConnectOptions
from shem.backup.creating import Progress
from shem.backup.manifest import BackupError, read_manifest
from shem.backup.restoring import Restored, restore

__all__ = ["restore_new"]


async def restore_new(data_dir: Path, folder: Path, *, progress: Progress) -> Restored:
    """Restore a backup into a data directory, in which there must be no broker.

    Raises:
        BackupError: the backup is damaged, or there is a broker.
        SetupError: there is no nats-server, or no place for its data.
    """
    place = data_dir / "nats"
    # Emptying one for it is for whoever knows what is in it.
    if place.exists():
        raise BackupError(
            f"{place} exists: name a new data directory, or remove that one", kind="not-empty"
        )
    options = EmbeddedOptions(
        data_dir=place, mapped_partitions=read_manifest(folder).mapped_partitions
    )
    try:
        async with EmbeddedServer(options) as server:
            archive = await open_archive(ConnectOptions(servers=(server.url,), name="shem-backup"))
            try:
                return await restore(archive, folder, replicas=1, progress=progress)
            finally:
                await archive.close()
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
