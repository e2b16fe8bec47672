"""Secrets where they are stored: encrypted, bound to their place, under keys that change."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from actors.errors import ApiError
from actors.secrets import KeyRing, KeysError, SecretGoneError, SecretStore, new_key
from broker.memory import MemoryCluster

VALUE = b"correct horse"


def ring(*lines: str) -> KeyRing:
    return KeyRing.parse("\n".join(lines), where="test.key")


async def started(cluster: MemoryCluster, keys: KeyRing) -> SecretStore:
    store = SecretStore(cluster.connect().secrets, keys)
    await store.start()
    return store


def test_what_is_stored_tells_nothing_and_each_version_stays():
    async def main() -> None:
        cluster = MemoryCluster()
        store = await started(cluster, ring(new_key()))
        assert await store.set("shop", "key", VALUE, now_ms=1) == 1
        first = store.newest("shop", "key")
        assert first is not None
        assert await store.set("shop", "key", VALUE, now_ms=2) == 2
        second = store.newest("shop", "key")
        assert second is not None
        # The same value has another digest: nobody can tell that nothing has changed.
        assert first.digest != second.digest
        assert store.read("shop", "key", first) == VALUE == store.read("shop", "key", second)
        (info,) = store.all()
        assert (info.versions, info.created_at_ms) == ((1, 2), 2)
        for entry in await cluster.connect().secrets.changes():
            assert VALUE not in (entry.data or b"")
        assert store.newest("shop", "other") is None
        assert store.newest("other", "key") is None

    asyncio.run(main())


def test_other_executors_hear_of_it_and_agree_on_numbers():
    async def main() -> None:
        cluster = MemoryCluster()
        keys = ring(new_key())
        one, two = await started(cluster, keys), await started(cluster, keys)
        numbers = await asyncio.gather(
            *(store.set("shop", "key", VALUE, now_ms=1) for store in (one, two, one, two))
        )
        assert sorted(numbers) == [1, 2, 3, 4]
        await asyncio.sleep(0)
        assert one.all() == two.all()

    asyncio.run(main())


def test_erased_versions_are_gone_and_their_numbers_are_not_given_again():
    async def main() -> None:
        store = await started(MemoryCluster(), ring(new_key()))
        await store.set("shop", "key", VALUE, now_ms=1)
        pinned = store.newest("shop", "key")
        assert pinned is not None
        assert await store.erase("shop", "key", None) == [1]
        assert store.newest("shop", "key") is None
        assert store.all() == []
        assert store.has_any("shop"), "a guest's memory may still hold it"
        with pytest.raises(SecretGoneError, match="is gone, and the worker's log says"):
            store.read("shop", "key", pinned)
        assert await store.set("shop", "key", b"another", now_ms=2) == 2
        with pytest.raises(ApiError, match="no version 1 of secret"):
            await store.erase("shop", "key", 1)

    asyncio.run(main())


def test_keys_change_and_old_ones_can_be_thrown_away():
    async def main() -> None:
        cluster = MemoryCluster()
        old, new = new_key(), new_key()
        store = await started(cluster, ring("# the first", old))
        await store.set("shop", "key", VALUE, now_ms=1)
        both = await started(cluster, ring(new, "", old))
        pinned = both.newest("shop", "key")
        assert pinned is not None
        assert both.read("shop", "key", pinned) == VALUE
        with pytest.raises(SecretGoneError, match="encrypted by the key"):
            (await started(cluster, ring(new))).newest("shop", "key")
        assert await both.reencrypt() == 1
        assert await both.reencrypt() == 0
        after = await started(cluster, ring(new))
        # What a log has recorded of it stays true.
        assert after.read("shop", "key", pinned) == VALUE

    asyncio.run(main())


def test_nothing_can_be_put_in_the_place_of_another():
    async def main() -> None:
        cluster = MemoryCluster()
        keys = ring(new_key())
        store = await started(cluster, keys)
        await store.set("shop", "cheap", b"cheap", now_ms=1)
        await store.set("shop", "dear", b"dear", now_ms=1)
        bucket = cluster.connect().secrets
        cheap = await bucket.get("shop/cheap/1")
        assert cheap is not None
        assert cheap.data is not None
        await bucket.put("shop/dear/1", cheap.data)
        swapped = await started(cluster, keys)
        with pytest.raises(SecretGoneError, match="it was changed"):
            swapped.newest("shop", "dear")

    asyncio.run(main())


def test_without_keys_nothing_is_set_and_bad_names_and_values_are_refused():
    async def main() -> None:
        with pytest.raises(ApiError, match="no keys for secrets"):
            await (await started(MemoryCluster(), KeyRing())).set("c", "n", VALUE, now_ms=1)
        store = await started(MemoryCluster(), ring(new_key()))
        for name in ("", "a/b", "a b", "x" * 101):
            with pytest.raises(ApiError, match="secret name"):
                await store.set("c", name, VALUE, now_ms=1)
        with pytest.raises(ApiError, match="at most 65536 bytes"):
            await store.set("c", "n", b"x" * 65_537, now_ms=1)
        with pytest.raises(ApiError, match="UTF-8"):
            await store.set("c", "n", b"\xff", now_ms=1)

    asyncio.run(main())


@pytest.mark.parametrize("text", ["", "# nothing", "AAAA", "no base64!", "\n".join(["A"] * 3)])
def test_a_key_file_that_is_none_is_told(text):
    with pytest.raises(KeysError, match=r"test\.key"):
        KeyRing.parse(text, where="test.key")


def test_a_key_that_came_into_the_file_is_found_when_it_is_missed(tmp_path: Path):
    async def main() -> None:
        cluster = MemoryCluster()
        file = tmp_path / "keys"
        old, new = new_key(), new_key()
        file.write_text(f"{old}\n")
        stale = KeyRing.of_file(file)
        store = await started(cluster, stale)
        await store.set("shop", "key", VALUE, now_ms=1)
        pinned = store.newest("shop", "key")
        assert pinned is not None
        file.write_text(f"{new}\n{old}\n")
        newer = await started(cluster, KeyRing.of_file(file))
        assert await newer.reencrypt() == 1
        await asyncio.sleep(0)
        assert store.read("shop", "key", pinned) == VALUE
        assert stale.first == ring(new).first
        # Asked to encrypt anew, an executor looks first.
        file.write_text(f"{new_key()}\n{new}\n{old}\n")
        assert await store.reencrypt() == 1
        file.write_text("no key")
        with pytest.raises(ApiError, match="line 1"):
            await store.reencrypt()
        assert store.read("shop", "key", pinned) == VALUE

    asyncio.run(main())


def test_what_is_erased_while_all_is_encrypted_anew_does_not_come_back():
    async def main() -> None:
        cluster = MemoryCluster()
        old, new = new_key(), new_key()
        other = await started(cluster, ring(new, old))
        await (await started(cluster, ring(old))).set("shop", "key", VALUE, now_ms=1)
        await asyncio.sleep(0)
        bucket = cluster.connect().secrets
        store = SecretStore(_Erasing(bucket, other), ring(new, old))
        await store.start()
        await store.reencrypt()
        entry = await bucket.get("shop/key/1")
        assert entry is not None
        fresh = await started(cluster, ring(new, old))
        assert fresh.all() == []

    asyncio.run(main())


class _Erasing:
    """A bucket in which somebody else erases what is about to be read."""

    def __init__(self, bucket: Any, other: SecretStore) -> None:
        self._bucket = bucket
        self._other = other

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bucket, name)

    async def get(self, key: str) -> Any:
        if self._other.all():
            await self._other.erase("shop", "key", None)
        return await self._bucket.get(key)
