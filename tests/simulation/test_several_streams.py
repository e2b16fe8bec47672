"""Workers whose streams number their messages independently of each other."""

import asyncio
import itertools

from broker import subjects
from tests.simulation.cluster import COMPONENT, PARTITIONS, Simulation, kinds
from tests.simulation.test_worker_index import listed
from tests.simulation.virtual import run

STREAMS = 2


def names_of(stream: int, count: int) -> list[str]:
    """Return workers of one stream."""
    named = (f"w{number}" for number in itertools.count())
    wanted = (
        name
        for name in named
        if subjects.partition_of(COMPONENT, name, PARTITIONS) % STREAMS == stream
    )
    return list(itertools.islice(wanted, count))


async def keyless(simulation: Simulation, worker: str, amount: int) -> tuple[int, str]:
    """Publish without a key; return the sequence, by which the worker names the outcome."""
    ack = await simulation.client.journal.publish(
        subjects.invoke(COMPONENT, worker),
        f"add({amount})".encode(),
        message_id=f"{worker}{amount}",
    )
    return ack.sequence, f"seq-{ack.sequence}"


def test_a_copy_in_another_stream_takes_no_message_for_one_of_its_original() -> None:
    async def main() -> None:
        (original,) = names_of(0, 1)
        (copy,) = names_of(1, 1)
        async with Simulation(streams=STREAMS) as simulation:
            node = simulation.start()
            sequences = []
            for amount in range(1, 6):
                sequence, key = await keyless(simulation, original, amount)
                await simulation.result(key)
                sequences.append(sequence)
            log = await simulation.log(original)
            fork = {"command": "fork", "worker": copy, "at": len(log)}
            assert "ok" in await simulation.command(original, fork)
            simulation.results.clear()
            seen: list[int] = []
            # The copy's stream begins to count anew: these have sequences of the original's.
            for amount in range(100, 108):
                sequence, key = await keyless(simulation, copy, amount)
                answer = await simulation.result(key)
                assert answer["result"] == 15 + sum(range(100, amount + 1))
                seen.append(sequence)
            assert set(seen) & set(sequences)
            node.kill()
            simulation.start()
            simulation.results.clear()
            _, key = await keyless(simulation, copy, 1_000)
            assert (await simulation.result(key))["result"] == 15 + sum(range(100, 108)) + 1_000
            log = await simulation.log(copy)
            assert kinds(log).count("exported-function-completed") == 5 + 8 + 1

    run(main())


def test_an_index_knows_the_newest_of_every_stream() -> None:
    async def main() -> None:
        async with Simulation(streams=STREAMS) as simulation:
            simulation.start()
            busy, quiet = names_of(0, 1)[0], names_of(1, 1)[0]
            for number in range(50):
                await simulation.invoke(busy, "add", 1, key=f"b{number}")
            await simulation.invoke(quiet, "add", 1, key="q1")
            await asyncio.sleep(60)
            # Behind fifty messages of the other stream this has a small number, and is news.
            await simulation.invoke(quiet, "add", 1, key="q2")
            assert (await simulation.client.journal.newest(subjects.LOGS))[0] > 50
            assert await listed(simulation) == await listed(simulation, precise=True)
            assert len(await listed(simulation)) == 2

    run(main())


def test_a_message_in_the_mailbox_of_another_partition_wakes_nobody() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            await simulation.invoke("alice", "add", 1, key="k1")
            ours = subjects.partition_of(COMPONENT, "alice", PARTITIONS)
            wrong = f"shem.oplog.{(ours + 1) % PARTITIONS}.{COMPONENT}.alice.in.invoke"
            await simulation.client.journal.publish(wrong, b"add(100)", message_id="wrong")
            await asyncio.sleep(60)
            assert (await simulation.invoke("alice", "add", 1, key="k2"))["result"] == 2
            assert kinds(await simulation.log("alice")).count("create") == 1

    run(main())
