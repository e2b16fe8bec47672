"""The component store on the in-memory broker, with an engine that only counts."""

import asyncio
import hashlib
from collections.abc import Sequence

import pytest

from actors.components import (
    BadComponentError,
    ComponentDamagedError,
    ComponentInUseError,
    ComponentRecord,
    ComponentStore,
    InitialFile,
    UnknownComponentError,
    Upload,
    blob_name,
    file_blob_name,
)
from actors.engine.errors import ComponentError, MissingImportsError
from actors.engine.port import CodeReport, Component, HostResolver, Program, Progress
from broker.memory import MemoryBroker, MemoryCluster
from wit.world import Interface, World


class CountingComponent:
    def __init__(self, data: bytes) -> None:
        self.world = World(import_interfaces=(Interface("demo:a/api"),))
        self.digest = hashlib.sha256(data).hexdigest()
        self.code = CodeReport()

    def link(self, resolver: HostResolver) -> Program:
        # The store only loads components; who links them is another.
        raise NotImplementedError


class CountingEngine:
    """Refuses bytes that start with `bad`, and can be held in mid-load."""

    def __init__(self) -> None:
        self.loads = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def load(self, data: bytes, *, progress: Progress | None = None) -> Component:
        self.loads += 1
        await self.go_on.wait()
        if data.startswith(b"bad"):
            raise ComponentError("no component: expected the magic number at byte 0x0")
        if progress is not None:
            progress(1, 1)
        return CountingComponent(data)

    def close(self) -> None:
        pass


class Scene:
    """One cluster with two executors' stores on it."""

    def __init__(self) -> None:
        self.cluster = MemoryCluster()
        self.broker: MemoryBroker = self.cluster.connect()
        self.engine = CountingEngine()
        self.store = ComponentStore(self.broker, self.engine)
        self.other = ComponentStore(self.cluster.connect(), CountingEngine())

    async def upload(
        self, data: bytes, *, name: str = "counter", store: ComponentStore | None = None, **more
    ) -> ComponentRecord:
        digest = hashlib.sha256(data).hexdigest()
        await self.broker.blobs.put(blob_name(digest), data)
        if_changed = more.pop("if_changed", False)
        check = more.pop("check", lambda *_: None)
        return await (store or self.store).add(
            Upload(name=name, digest=digest, size=len(data), **more),
            check=check,
            now_ms=1_700_000_000_000,
            if_changed=if_changed,
        )


def run(scenario) -> None:
    async def main() -> None:
        world = Scene()
        await scenario(world)
        await world.store.close()
        await world.other.close()

    asyncio.run(main())


async def nobody(name: str, version: int | None) -> Sequence[str]:
    return ()


async def alice(name: str, version: int | None) -> Sequence[str]:
    return ("alice",)


def test_versions_count_from_zero_and_the_newest_is_found():
    async def scenario(world: Scene) -> None:
        assert (await world.upload(b"one")).version == 0
        assert (await world.upload(b"two")).version == 1
        assert (await world.upload(b"two")).version == 2
        assert (await world.store.get("counter")).version == 2
        assert (await world.store.get("counter", 0)).digest == hashlib.sha256(b"one").hexdigest()
        assert [each.version for each in await world.store.versions("counter")] == [0, 1, 2]
        assert [(each.name, each.version) for each in await world.store.all()] == [("counter", 2)]

    run(scenario)


def test_equal_uploads_at_once_are_one_version_when_asked_for():
    async def scenario(world: Scene) -> None:
        for again, data in enumerate((b"one", b"two")):
            made = await asyncio.gather(
                world.upload(data, if_changed=True),
                world.upload(data, store=world.other, if_changed=True),
            )
            assert {each.version for each in made} == {again}
        made = await asyncio.gather(
            world.upload(b"three", if_changed=True),
            world.upload(b"four", store=world.other, if_changed=True),
        )
        assert {each.version for each in made} == {2, 3}
        assert (await world.store.get("counter", fresh=True)).version == 3

    run(scenario)


def test_an_unchanged_upload_is_the_same_version_only_when_asked_for():
    async def scenario(world: Scene) -> None:
        await world.upload(b"one", env={"A": "1"})
        assert (await world.upload(b"one", env={"A": "1"}, if_changed=True)).version == 0
        assert (await world.upload(b"one", env={"A": "2"}, if_changed=True)).version == 1
        assert (await world.upload(b"two", env={"A": "2"}, if_changed=True)).version == 2
        assert (await world.upload(b"two", env={"A": "2"})).version == 3

    run(scenario)


def test_concurrent_uploads_on_two_executors_get_distinct_versions():
    async def scenario(world: Scene) -> None:
        stores = [world.store, world.other]
        records = await asyncio.gather(
            *(world.upload(b"%d" % n, store=stores[n % 2]) for n in range(20))
        )
        assert sorted(record.version for record in records) == list(range(20))
        assert (await world.store.get("counter", fresh=True)).version == 19

    run(scenario)


def test_an_upload_repeated_under_its_id_finds_the_version_it_made():
    async def scenario(world: Scene) -> None:
        first = await world.upload(b"one", upload_id="u1")
        again = await world.upload(b"one", upload_id="u1", store=world.other)
        assert first == again
        assert (await world.upload(b"one", upload_id="u2")).version == 1

    run(scenario)


def test_a_version_whose_uploader_died_before_the_pointer_moved_is_never_given_twice():
    async def scenario(world: Scene) -> None:
        await world.upload(b"one")
        pointer = await world.broker.components.get("newest/counter")
        assert pointer is not None
        assert pointer.data is not None
        await world.upload(b"two", upload_id="died")
        await world.broker.components.put("newest/counter", pointer.data)
        assert (await world.store.get("counter", fresh=True)).version == 0
        assert (await world.upload(b"three")).version == 2
        assert (await world.upload(b"two", upload_id="died")).version == 1
        assert (await world.store.get("counter", fresh=True)).version == 2

    run(scenario)


def test_another_executor_that_follows_the_bucket_learns_of_uploads_and_deletions():
    async def scenario(world: Scene) -> None:
        await world.other.start()
        await world.upload(b"one")
        assert (await world.other.get("counter")).version == 0
        await world.upload(b"two")
        assert (await world.other.get("counter", fresh=True)).version == 1
        await world.store.delete("counter", users_of=nobody)
        with pytest.raises(UnknownComponentError, match="counter"):
            await world.other.get("counter", fresh=True)

    run(scenario)


def test_unknown_names_and_versions_are_refused_with_what_to_do():
    async def scenario(world: Scene) -> None:
        with pytest.raises(UnknownComponentError, match="shem component add"):
            await world.store.get("nobody")
        await world.upload(b"one")
        with pytest.raises(UnknownComponentError, match="no version 7"):
            await world.store.get("counter", 7)

    run(scenario)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("", "at least one"),
        ("a/b", "position 1"),
        ("a b", "position 1"),
        ("x" * 129, "129"),
        ("a\x07", "position 1"),
    ],
)
def test_names_that_cannot_be_typed_are_refused(name: str, place: str):
    async def scenario(world: Scene) -> None:
        with pytest.raises(BadComponentError, match=place):
            await world.upload(b"one", name=name)

    run(scenario)


def test_nothing_of_a_refused_upload_is_visible():
    def missing(*_: object) -> None:
        raise MissingImportsError(("wasi:nn/tensor#get",))

    async def scenario(world: Scene) -> None:
        with pytest.raises(BadComponentError, match="magic number"):
            await world.upload(b"bad bytes")
        with pytest.raises(BadComponentError, match="wasi:nn/tensor#get"):
            await world.upload(b"good", check=missing)
        assert await world.store.all() == []
        assert await world.broker.blobs.names() == []
        assert (await world.upload(b"good")).version == 0

    run(scenario)


def test_a_refused_upload_keeps_bytes_that_another_version_needs():
    def refuse(*_: object) -> None:
        raise MissingImportsError(("a:b/c#d",))

    async def scenario(world: Scene) -> None:
        record = await world.upload(b"shared")
        with pytest.raises(BadComponentError):
            await world.upload(b"shared", name="other", check=refuse)
        assert await world.store.data(record) == b"shared"

    run(scenario)


def test_bytes_that_are_not_there_or_not_as_announced_are_refused():
    async def scenario(world: Scene) -> None:
        upload = Upload(name="counter", digest="0" * 64, size=3)
        with pytest.raises(BadComponentError, match="store the bytes first"):
            await world.store.add(upload, check=lambda *_: None, now_ms=0)
        await world.broker.blobs.put(blob_name("0" * 64), b"one")
        with pytest.raises(BadComponentError, match="SHA-256"):
            await world.store.add(upload, check=lambda *_: None, now_ms=0)
        with pytest.raises(BadComponentError, match="64 lower-case hex"):
            await world.store.add(
                Upload(name="counter", digest="../x", size=3), check=lambda *_: None, now_ms=0
            )

    run(scenario)


def test_initial_files_must_be_stored_and_have_absolute_paths():
    async def scenario(world: Scene) -> None:
        file = InitialFile(path="/etc/conf", digest="1" * 64, size=1)
        with pytest.raises(BadComponentError, match="/etc/conf"):
            await world.upload(b"one", files=(file,))
        await world.broker.blobs.put(file_blob_name("1" * 64), b"x")
        assert (await world.upload(b"one", files=(file,))).files == (file,)
        relative = InitialFile(path="../conf", digest="1" * 64, size=1)
        with pytest.raises(BadComponentError, match="absolute"):
            await world.upload(b"one", files=(relative,))

    run(scenario)


def test_concurrent_loads_of_one_digest_compile_once_and_survive_a_cancelled_caller():
    async def scenario(world: Scene) -> None:
        record = await world.upload(b"one", store=world.other)
        world.engine.go_on.clear()
        first = asyncio.create_task(world.store.load(record))
        others = [asyncio.create_task(world.store.load(record)) for _ in range(5)]
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        world.engine.go_on.set()
        components = await asyncio.gather(*others)
        assert len({id(component) for component in components}) == 1
        assert world.engine.loads == 1

    run(scenario)


def test_a_failed_load_is_tried_again_by_the_next_caller():
    async def scenario(world: Scene) -> None:
        record = await world.upload(b"one", store=world.other)
        await world.broker.blobs.delete(blob_name(record.digest))
        with pytest.raises(ComponentDamagedError, match="missing"):
            await world.store.load(record)
        await world.broker.blobs.put(blob_name(record.digest), b"not one")
        with pytest.raises(ComponentDamagedError, match="SHA-256"):
            await world.store.load(record)
        await world.broker.blobs.put(blob_name(record.digest), b"one")
        assert (await world.store.load(record)).digest == record.digest

    run(scenario)


def test_a_used_component_is_deleted_only_by_force():
    async def scenario(world: Scene) -> None:
        await world.upload(b"one")
        with pytest.raises(ComponentInUseError, match="alice"):
            await world.store.delete("counter", users_of=alice)
        assert (await world.store.get("counter")).version == 0
        await world.store.delete("counter", users_of=alice, force=True)
        with pytest.raises(UnknownComponentError):
            await world.store.get("counter")
        with pytest.raises(UnknownComponentError):
            await world.store.delete("counter", users_of=nobody)

    run(scenario)


def test_a_component_that_others_rely_on_is_deleted_only_by_force():
    async def scenario(world: Scene) -> None:
        await world.upload(b"one")
        await world.upload(b"two")
        asked: list[bool] = []

        async def breaks(name: str, left: World | None) -> list[str]:
            assert name == "counter"
            asked.append(left is not None)
            return [] if left else ["*: shop@1: GET /: calls it"]

        # The version that is left is as good.
        await world.store.delete("counter", 1, users_of=nobody, breaks=breaks)
        for version in (0, None):
            with pytest.raises(ComponentInUseError, match=r"(?s)undeploy` first.*GET /: calls it"):
                await world.store.delete("counter", version, users_of=nobody, breaks=breaks)
        assert asked == [True, False, False]
        assert (await world.store.get("counter")).version == 0
        await world.store.delete("counter", users_of=nobody, breaks=breaks, force=True)
        with pytest.raises(UnknownComponentError):
            await world.store.get("counter")

    run(scenario)


def test_deleted_version_numbers_are_not_given_again():
    async def scenario(world: Scene) -> None:
        for data in (b"one", b"two", b"three"):
            await world.upload(data)
        await world.store.delete("counter", 2, users_of=nobody)
        assert (await world.store.get("counter")).version == 1
        await world.store.delete("counter", 0, users_of=nobody)
        assert (await world.store.get("counter")).version == 1
        await world.store.delete("counter", users_of=nobody)
        assert (await world.upload(b"four")).version == 3

    run(scenario)


def test_bytes_go_with_the_last_version_that_has_them():
    async def scenario(world: Scene) -> None:
        record = await world.upload(b"one")
        await world.upload(b"one", name="twin")
        await world.store.delete("counter", users_of=nobody)
        assert await world.broker.blobs.names() == [blob_name(record.digest)]
        await world.store.delete("twin", users_of=nobody)
        assert await world.broker.blobs.names() == []

    run(scenario)


def test_records_look_on_the_wire_as_documented():
    async def scenario(world: Scene) -> None:
        await world.upload(b"one", kind="ephemeral", links={"demo:a/api": "counter"})
        entry = await world.broker.components.get("version/counter/0")
        assert entry is not None
        digest = hashlib.sha256(b"one").hexdigest()
        assert entry.data == (
            b'{"name":"counter","version":0,"digest":"%s","size":3,'
            b'"created-at-ms":1700000000000,"type":"ephemeral","env":{},"files":[],'
            b'"links":{"demo:a/api":"counter"},"sockets":false,"upload-id":null,"snapshots":"auto",'
            b'"retry":"","memory":"","quota":"","history":"keep","read-only":[]}' % digest.encode()
        )

    run(scenario)
