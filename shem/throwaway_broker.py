"""A broker in a folder of its own, both gone afterwards, whatever ends who asked for it.

It is a process apart, whose stdin is a pipe of ours: `python -m shem.throwaway_broker SETTINGS`.
It says where the broker is by one line on stdout, and stops it when stdin ends.
"""

import asyncio
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from broker.embedded import EmbeddedOptions, EmbeddedServer, Fsync
from broker.errors import SetupError
from shem import logging
from shem.leash import wait_for_end_of_stdin
from shem.standard_streams import open_standard_streams

__all__ = ["main", "throwaway_broker"]


class _Settings(Struct, frozen=True):
    within: str | None
    mapped_partitions: int | None


class _Told(Struct, frozen=True):
    url: str = ""
    error: str = ""


@asynccontextmanager
async def throwaway_broker(
    *, within: Path | None, mapped_partitions: int | None
) -> AsyncGenerator[str]:
    """Yield the URL of a broker with a temporary folder in `within`.

    Raises:
        SetupError: there is no nats-server, or no place for its data.
    """
    settings = _Settings(None if within is None else str(within), mapped_partitions)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shem.throwaway_broker", msgspec.json.encode(settings).decode()),
        stdin=PIPE,
        stdout=PIPE,
        # A terminal's interrupt is for us, who then let go.
        start_new_session=True,
    )
    assert process.stdin is not None, "stdin was asked for as a pipe"
    assert process.stdout is not None, "stdout was asked for as a pipe"
    try:
        line = await process.stdout.readline()
        told = msgspec.json.decode(line, type=_Told) if line else _Told(error="it ended")
        if not told.url:
            raise SetupError(f"the backup cannot be tried out: {told.error}")
        yield told.url
    finally:
        process.stdin.close()
        await process.wait()


async def _hold(settings: _Settings) -> None:
    leaving = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, leaving.set)
    leash = loop.create_task(wait_for_end_of_stdin(leaving), name="leash")
    try:
        with tempfile.TemporaryDirectory(prefix="shem-backup-", dir=settings.within) as place:
            options = EmbeddedOptions(
                data_dir=Path(place),
                fsync=Fsync.INTERVAL,
                mapped_partitions=settings.mapped_partitions,
            )
            async with EmbeddedServer(options) as server:
                _tell(_Told(url=server.url))
                await leaving.wait()
    except (SetupError, OSError) as error:
        _tell(_Told(error=str(error)))
    finally:
        leash.cancel()


def _tell(told: _Told) -> None:
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    sys.stdout.flush()


def main() -> None:
    """Hold a broker until stdin ends."""
    open_standard_streams()
    logging.set_up("error")
    asyncio.run(_hold(msgspec.json.decode(sys.argv[1], type=_Settings)))


if __name__ == "__main__":
    main()
