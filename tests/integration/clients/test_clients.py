"""Connected clients through everything: broken networks, killed gateways and executors."""

import asyncio
import json
import time
import urllib.request

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.clients.room import PATIENCE_S, numbered, room_url

pytestmark = pytest.mark.timeout(240)


async def heard(connection, wanted):
    """Return what a plain client hears up to what it waits for."""
    found = []
    async with asyncio.timeout(PATIENCE_S):
        while not found or found[-1] != wanted:
            found.append(json.loads(await connection.recv()))
    return found


@pytest.fixture(scope="module", autouse=True)
def served(system):
    async def first():
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                async with connect(room_url(system, "first")):
                    return
            except InvalidStatus as error:
                if error.response.status_code != 404 or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.05)

    asyncio.run(first())


def invoke(system, room, call):
    done = system.run("shem", "worker", "invoke", f"chat/{room}", call)
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def test_two_clients_talk_through_one_worker(system):
    async def talk():
        url = room_url(system, "two")
        async with connect(url) as ann:
            await heard(ann, {"joined": "guest 1"})
            async with connect(url) as bob:
                await heard(ann, {"joined": "guest 2"})
                await ann.send("/name Ann")
                await ann.send("hello")
                said = {"from": "Ann", "says": "hello"}
                await heard(bob, said)
                await heard(ann, said)
                told = await asyncio.to_thread(invoke, system, "two", 'announce("tea")')
                assert told == "2"
                await heard(bob, {"announced": "tea"})
            # Bob has said goodbye: the worker is told at once.
            await heard(ann, {"left": "guest 2"})

    asyncio.run(talk())


def test_a_worker_that_is_not_in_memory_is_brought_back_by_a_message(system):
    async def talk():
        async with connect(room_url(system, "rest")) as ann:
            await heard(ann, {"joined": "guest 1"})
            system.run("shem", "worker", "interrupt", "chat/rest", "--recover")
            await ann.send("are you there?")
            await heard(ann, {"from": "guest 1", "says": "are you there?"})

    asyncio.run(talk())


def test_who_says_that_it_has_got_more_than_there_is_hears_what_comes_from_then_on(system):
    async def talk():
        url = room_url(system, "ahead")
        async with connect(url) as ann:
            await heard(ann, {"joined": "guest 1"})
            token = ann.response.headers["shem-resume"]
            ann.transport.abort()
        async with connect(f"{url}?resume={token}&after=999999999999") as again:
            await again.send("still there?")
            assert await heard(again, {"from": "guest 1", "says": "still there?"})

    asyncio.run(talk())


def test_what_is_missed_by_a_broken_network_comes_later_and_once(system):
    async def talk():
        async with numbered(system, "cut") as ann, numbered(system, "cut") as bob:
            for count in range(20):
                if count % 5 == 2:
                    bob.cut()
                if count % 7 == 3:
                    ann.cut()
                await ann.say(str(count))
            wanted = [str(count) for count in range(20)]

            def all_said(client):
                return [each["says"] for each in client.heard if "says" in each] == wanted

            await ann.until(lambda: all_said(ann))
            await bob.until(lambda: all_said(bob))
            assert bob.connections > 1

    asyncio.run(talk())


@pytest.mark.parametrize("role", ["gateway", "executors", "broker"])
def test_clients_survive_the_death_of_any_process(system, role):
    async def talk():
        room = f"kill-{role}"
        async with numbered(system, room) as ann, numbered(system, room) as bob:
            await ann.say("before")
            await bob.until(lambda: {"from": "guest 1", "says": "before"} in bob.heard)
            killing = asyncio.create_task(asyncio.to_thread(system.kill, role))
            for count in range(10):
                await ann.say(str(count))
                await asyncio.sleep(0.02)
            await killing
            await ann.say("after")
            wanted = ["before", *map(str, range(10)), "after"]

            def said(client):
                return [each["says"] for each in client.heard if "says" in each]

            await bob.until(lambda: said(bob)[-1:] == ["after"])
            await ann.until(lambda: said(ann)[-1:] == ["after"])
            assert (said(ann), said(bob)) == (wanted, wanted)

    asyncio.run(talk())


def test_who_wants_to_come_back_needs_the_right_token_and_route(system):
    async def refused(url):
        try:
            async with connect(url):
                return None
        except InvalidStatus as error:
            return error.response.status_code

    async def talk():
        url = room_url(system, "token")
        async with connect(url) as ann:
            token = ann.response.headers["shem-resume"]
            await heard(ann, {"joined": "guest 1"})
            forged = token[:-1] + ("a" if token[-1] != "a" else "b")
            assert await refused(f"{url}?resume={forged}") == 403
            assert await refused(f"{url}?resume=nobody.x") == 410
            for after in ("x", "-1", "1" * 5000):
                assert await refused(f"{url}?resume={token}&after={after}") == 400
            async with connect(f"{url}?resume={token}") as again:
                with pytest.raises(ConnectionClosed) as closed:
                    await heard(ann, "nothing")
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 4001
                await again.send("still me")
                await heard(again, {"from": "guest 1", "says": "still me"})
        # A goodbye is final.
        deadline = time.monotonic() + PATIENCE_S
        while await refused(f"{url}?resume={token}") != 410:
            assert time.monotonic() < deadline

    asyncio.run(talk())


def test_handshakes_that_are_refused(system):
    async def status(url, **more):
        with pytest.raises(InvalidStatus) as error:
            async with connect(url, **more):
                pass
        return error.value.response.status_code

    async def run():
        base = system.http_url.replace("http", "ws")
        assert await status(f"{base}/nothing") == 404
        assert await status(f"{base}/rooms/%FF") == 400

    asyncio.run(run())
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{system.http_url}/rooms/plain")
    assert error.value.code == 426
    error.value.close()


def test_a_route_s_rate_and_the_worker_s_name_are_asked_of_who_connects(system):
    limits = "{rate: {requests: 3, per-s: 3600}}"
    binding = "{type: websocket, component: chat, worker: request.query.room, on-message: said}"
    route = f"{{method: GET, path: /few, limits: {limits}, binding: {binding}}}"
    (system.folder / "few.yaml").write_text(f'id: few\nversion: "1"\nroutes: [{route}]\n')
    done = system.run("shem", "api", "deploy", "few.yaml")
    assert done.returncode == 0, done.stdout
    base = f"{system.http_url.replace('http', 'ws')}/few"

    async def answered(url):
        try:
            async with connect(url):
                return 101, None
        except InvalidStatus as error:
            return error.response.status_code, error.response.headers.get("retry-after")

    async def run():
        async with asyncio.timeout(PATIENCE_S):
            # Gateways hear of it a moment later.
            while (await answered(f"{base}?room="))[0] == 404:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
        # The one before was the first.
        assert await answered(f"{base}?room={'%C3%A9' * 600}") == (400, None)
        assert await answered(f"{base}?room=a") == (101, None)
        status, after = await answered(f"{base}?room=a")
        assert status == 429
        assert int(after) > 1000

    asyncio.run(run())


def test_frames_that_say_nothing_end_the_connection_with_the_reason(system):
    async def run():
        for subprotocols, frame in ((["shem.v1"], "no json"), (["shem.v1"], "{}"), (None, b"\0")):
            async with connect(room_url(system, "bad"), subprotocols=subprotocols) as connection:
                await connection.send(frame)
                with pytest.raises(ConnectionClosed) as closed:
                    await heard(connection, "nothing") if subprotocols is None else [
                        await connection.recv() for _ in range(100)
                    ]
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1008

    asyncio.run(run())
