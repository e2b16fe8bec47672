"""Children: real processes."""

import asyncio
import contextlib
import sys
from pathlib import Path

from shem.processes import Child

LEAVES_LATE = """
import signal, sys, time
left = []
signal.signal(signal.SIGTERM, lambda *_: left.append(1))
print("ready", flush=True)
while not left:
    time.sleep(0.01)
time.sleep(0.2)
open(sys.argv[1], "w").close()
"""


async def test_a_child_whose_supervision_was_cancelled_is_waited_for_when_it_is_stopped(
    tmp_path: Path,
) -> None:
    said = tmp_path / "left in order"
    command = [sys.executable, "-c", LEAVES_LATE, str(said)]
    child = Child("late", command, {}, on_change=lambda: None)
    supervising = asyncio.ensure_future(child.supervise())
    await child.wait_until_ready()
    supervising.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await supervising
    await child.stop()
    assert said.exists()
