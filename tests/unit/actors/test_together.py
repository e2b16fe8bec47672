"""Requests made at the same time, of which some fail."""

import asyncio

import pytest

from actors.worker_index.together import together


async def _fail(after_s: float) -> None:
    await asyncio.sleep(after_s)
    raise ConnectionError


def test_all_are_waited_for_and_a_failure_is_no_cancellation() -> None:
    async def main() -> None:
        done = asyncio.Event()

        async def late() -> None:
            await asyncio.sleep(0.01)
            done.set()

        with pytest.raises(ExceptionGroup) as raised:
            await together([_fail(0), late(), _fail(0.005)])
        assert [type(each) for each in raised.value.exceptions] == [ConnectionError] * 2
        assert done.is_set()
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()

    asyncio.run(main())


def test_whoever_is_cancelled_hears_that_and_not_what_failed() -> None:
    async def main() -> None:
        task = asyncio.create_task(together([_fail(0), asyncio.sleep(60)]))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
