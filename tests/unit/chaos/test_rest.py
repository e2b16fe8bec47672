"""A run rests when all is answered, and fails when nothing moves any more, however slow it is."""

import asyncio

from tests.chaos.client import until_rest
from tests.simulation.virtual import run


def test_who_is_slow_and_moves_is_waited_for() -> None:
    async def main() -> None:
        answered: list[int] = []

        async def one(number: int) -> None:
            await asyncio.sleep(50 * number)
            answered.append(number)

        tasks = [asyncio.create_task(one(number)) for number in range(20)]
        await until_rest(tasks, lambda: len(answered), patience_s=60)
        assert answered == list(range(20))

    run(main())


def test_who_stands_still_is_not() -> None:
    async def main() -> None:
        begun = asyncio.get_running_loop().time()
        answered: list[int] = []

        async def one(number: int) -> None:
            await asyncio.sleep(50 * number if number < 5 else 1_000_000)
            answered.append(number)

        tasks = [asyncio.create_task(one(number)) for number in range(8)]
        await until_rest(tasks, lambda: len(answered), patience_s=60)
        assert answered == list(range(5))
        assert [task.cancelled() for task in tasks] == [False] * 5 + [True] * 3
        assert asyncio.get_running_loop().time() - begun < 400

    run(main())
