"""The lower end of a leash: a process whose stdin is a pipe of whoever started it, and who is gone.

Nothing has to be done for it at the upper end, so that it holds whatever ends that one.
"""

import asyncio
import os
import stat
import sys

__all__ = ["is_leashed", "wait_for_end_of_stdin"]


def is_leashed() -> bool:
    """Whether stdin is something whose other end somebody holds."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


async def wait_for_end_of_stdin(leaving: asyncio.Event) -> None:
    """Leave when stdin ends, if it is a pipe: who holds the other end is gone.

    A device or a file is nobody's end, and libuv aborts the process over most of them.
    """
    if not is_leashed():
        return
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        # What comes means nothing, and may be any amount.
        while await reader.read(65_536):
            pass
    finally:
        pipe.close()
    leaving.set()
