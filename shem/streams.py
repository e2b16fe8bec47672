"""The streams of a deployment: how many, what they hold, and dealing partitions out over more."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from actors.worker_index.marks import forget_marks
from broker.embedded import EmbeddedOptions, EmbeddedServer
from broker.jetstream.archive import open_archive
from broker.jetstream.connect import connect
from broker.jetstream.inspect import inspect
from broker.jetstream.options import ConnectOptions
from broker.jetstream.splitting import Split, split
from shem.errors import RefusedError

__all__ = ["OneStream", "split_embedded", "split_streams", "streams_of"]

Progress = Callable[[str], None]
_NAME: Final = "shem-streams"


class OneStream(Struct, frozen=True, kw_only=True):
    """A stream with mailboxes and logs, and the partitions that it holds."""

    name: str
    partitions: tuple[int, ...]
    messages: int
    bytes: int
    replicas: int


async def streams_of(options: ConnectOptions) -> list[OneStream]:
    """Return the streams of a deployment.

    Raises:
        RefusedError: there are none yet, or they are being split.
        UnavailableError: the broker does not answer.
    """
    seen = await inspect(options)
    sharding = seen.sharding
    if seen.splitting is not None:
        raise RefusedError(
            f"the streams are being split into {seen.splitting}: finish it by "
            f"`shem streams split {seen.splitting}`",
            kind="streams-split",
        )
    if sharding is None:
        raise RefusedError("there are no streams yet: `shem up` makes them", kind="no-streams")
    facts = {each.name: each for each in seen.streams}
    return [
        OneStream(
            name=name,
            partitions=tuple(
                each for each in range(sharding.partitions) if sharding.stream_of(each) == number
            ),
            messages=facts[name].messages,
            bytes=facts[name].bytes,
            replicas=facts[name].replicas,
        )
        for number, name in enumerate(sharding.names)
        if name in facts
    ]


async def split_streams(options: ConnectOptions, streams: int, *, progress: Progress) -> Split:
    """Deal the partitions of a deployment out over more streams, while no executor runs.

    Where there are so many already, the index is read anew: a split may have died right behind its
    last step.

    Raises:
        RefusedError: executors run.
        SetupError: the streams cannot be split, or the server does not sort for several.
        UnavailableError: the broker does not answer: do it again.
    """
    archive = await open_archive(options)
    try:
        living = await archive.living_executors()
    finally:
        await archive.close()
    if living:
        raise RefusedError(
            f"executors run ({', '.join(living)}): stop them, or wait for the marks of those that "
            "were killed to expire",
            kind="executors-run",
        )
    seen = await inspect(options)
    if seen.splitting is None and seen.sharding is not None and seen.sharding.streams == streams:
        await _forget(options, range(seen.sharding.partitions))
        return Split(before=streams, streams=streams, partitions=(), schedules=0)
    done = await split(options, streams, progress=progress)
    await _forget(options, done.partitions)
    return done


async def split_embedded(data_dir: Path, streams: int, *, progress: Progress) -> Split:
    """Do the same with the broker of a stopped `shem up`, which sorts from then on.

    Raises:
        RefusedError: there is no such broker.
        SetupError: it runs, or cannot be split.
    """
    folder = data_dir / "nats"
    if not (folder / "jetstream").is_dir():
        raise RefusedError(f"{data_dir} is no data directory of `shem up`", kind="no-data")
    plain = EmbeddedOptions(data_dir=folder)
    async with EmbeddedServer(plain) as server:
        seen = await inspect(_to(server))
    sorting = replace(plain, mapped_partitions=seen.partitions)
    async with EmbeddedServer(sorting) as server:
        return await split_streams(_to(server), streams, progress=progress)


def _to(server: EmbeddedServer) -> ConnectOptions:
    return ConnectOptions(servers=(server.url,), name=_NAME, assume_durable=True)


async def _forget(options: ConnectOptions, partitions: Collection[int]) -> None:
    """Have the index read again what has moved: its marks may be ahead of a new stream."""
    broker = await connect(options)
    try:
        await forget_marks(broker.workers, partitions)
    finally:
        await broker.close()
