"""Who is connected: followed, so that sending to many does not ask for each."""

import asyncio

from actors.clients import ConnectedClients, client_key
from broker.memory import MemoryBroker, MemoryCluster


class Counting:
    """A bucket that counts how often it is asked for a key."""

    def __init__(self, bucket):
        self._bucket = bucket
        self.asked = []

    async def get(self, key):
        self.asked.append(key)
        return await self._bucket.get(key)

    def __getattr__(self, name):
        return getattr(self._bucket, name)


async def test_only_who_is_not_known_is_asked_for():
    bucket = Counting(MemoryBroker(MemoryCluster()).clients)
    for number in range(100):
        await bucket.put(client_key(f"c{number}"), b"{}")
    clients = ConnectedClients(bucket)
    assert await clients.has("c0")
    await asyncio.sleep(0)
    assert all([await clients.has(f"c{number}") for number in range(100)])
    assert len(bucket.asked) <= 1

    await bucket.put(client_key("late"), b"{}")
    assert await clients.has("late"), "also before the news of it has come"
    await bucket.delete(client_key("c7"))
    await asyncio.sleep(0)
    assert not await clients.has("c7")
    assert not await clients.has("no client: *.>")
