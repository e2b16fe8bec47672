"""Calls between workers while the processes under them are killed: each is executed once."""

import asyncio
import random
from pathlib import Path

import pytest

from shem import Client
from tests.guests.build import build
from tests.integration.system.whole import Whole

pytestmark = pytest.mark.timeout(300)

CALLERS = 12
CALLEES = 5
CALLS = 120
KILLS = 5


@pytest.mark.parametrize("seed", [1])
def test_every_call_is_executed_once_whoever_is_killed(tmp_path: Path, seed: int) -> None:
    whole = Whole(tmp_path, executors=2)
    try:
        whole.start()
        whole.add("load", "load")
        link = "demo:counter-client/counter-client=load"
        done = whole.run("component", "add", "fan", str(build("fan")), "--link", link)
        assert done.returncode == 0, done.stderr
        expected, found = asyncio.run(_load(whole, random.Random(seed)))
        assert found == expected
    finally:
        whole.kill()


async def _load(whole: Whole, dice: random.Random) -> tuple[list[int], list[int]]:
    """Return what each callee should have been told to add, and what it has."""
    expected = [0] * CALLEES
    async with await Client.connect(whole.server.url) as client:
        killer = asyncio.create_task(asyncio.to_thread(_kill, whole, dice))
        free = asyncio.Semaphore(24)

        async def one(number: int, callee: int, value: int) -> None:
            caller = client.worker("fan", f"caller-{number % CALLERS}")
            async with free:
                call = f'one("callee-{callee}", {value})'.encode()
                outcome = await caller.call(call, key=f"call-{number}", timeout_s=120)
                assert outcome.error is None, outcome.error

        work = []
        for number in range(CALLS):
            callee, value = dice.randrange(CALLEES), dice.randint(1, 9)
            expected[callee] += value
            work.append(one(number, callee, value))
        await asyncio.gather(*work)
        await killer
        return expected, [
            int(str(await client.worker("load", f"callee-{callee}").invoke("get", timeout_s=120)))
            for callee in range(CALLEES)
        ]


def _kill(whole: Whole, dice: random.Random) -> None:
    """Kill an executor, and once the broker, with work going on; each is started again at once."""
    for number in range(KILLS):
        doomed = whole.server if number == KILLS // 2 else dice.choice(whole.executors)
        doomed.kill()
        if doomed is whole.server:
            whole.start_server()
        else:
            doomed.start()
            doomed.wait_until_ready()
