"""Connected clients without connections: frames, functions that fit, records that change hands."""

import asyncio
import json

import pytest

from broker import subjects
from broker.errors import BrokerError
from broker.layout import DUPLICATE_WINDOW_S
from broker.memory import MemoryBroker, MemoryCluster
from gateway.clients import holder as holding
from gateway.clients.connection import Connection
from gateway.clients.framing import Numbered, Plain, framing_of
from gateway.clients.functions import misfits, target_of
from gateway.clients.holder import Holder
from gateway.clients.mailbag import Mailbag, Shown
from gateway.clients.records import Target
from gateway.definitions import WebsocketBinding
from gateway.errors import RequestError
from tests.simulation.virtual import run as in_virtual_time
from wit.types import Borrow, Case, FunctionType, ListType, Own, Parameter, Primitive, VariantType
from wit.types import ResourceName as Resource
from wit.world import Function, Interface, World

CLIENT = Resource("client", "shem:gateway/clients@0.1.0")
BYTES = ListType(Primitive.U8)
MESSAGE = VariantType((Case("text", Primitive.STRING), Case("binary", BYTES)))
TARGET = Target("chat", "lobby", "said", "opened", "left")


def world(**functions):
    made = tuple(
        Function(
            name,
            FunctionType(tuple(Parameter(f"p{n}", type_) for n, type_ in enumerate(types))),
            "demo:chat/api",
        )
        for name, types in functions.items()
    )
    return World(export_interfaces=(Interface("demo:chat/api", functions=made),))


def binding(**more):
    return WebsocketBinding(component="chat", worker='"w"', on_message="said", **more)


@pytest.mark.parametrize(
    ("types", "client", "message"),
    [
        ((Own(CLIENT), Primitive.STRING), "handle", "string"),
        ((Borrow(CLIENT), BYTES), "handle", "bytes"),
        ((Primitive.STRING, MESSAGE), "string", "message"),
    ],
)
def test_functions_that_fit(types, client, message):
    found = world(said=types)
    assert misfits(binding(), found) == []
    target = target_of(binding(), found)
    assert (target.client_form, target.message_form) == (client, message)
    assert target.client("x") == ("urn:shem:client:x" if client == "handle" else "x")


@pytest.mark.parametrize(
    ("functions", "more", "reason"),
    [
        ({}, {}, "on-message: no function"),
        ({"said": (Own(CLIENT),)}, {}, "must take a client and a message"),
        ({"said": (Primitive.U32, Primitive.STRING)}, {}, "must take a client and a message"),
        ({"said": (Own(CLIENT), Primitive.U32)}, {}, "must take a client and a message"),
        ({"said": (Own(Resource("client", "a:b/c")), Primitive.STRING)}, {}, "must take a client"),
        (
            {"said": (Own(CLIENT), Primitive.STRING), "left": ()},
            {"on_close": "left"},
            "on-close: demo:chat/api.{left}() must take a client",
        ),
        (
            {"said": (Own(CLIENT), Primitive.STRING), "left": (Primitive.STRING,)},
            {"on_close": "left"},
            "all functions must take the client alike",
        ),
    ],
)
def test_functions_that_do_not_fit(functions, more, reason):
    assert any(reason in each for each in misfits(binding(**more), world(**functions)))


def test_plain_frames_are_messages():
    plain = framing_of([])
    assert isinstance(plain, Plain)
    assert plain.outgoing(7, Shown("hi"))["text"] == "hi"
    assert plain.outgoing(7, Shown(None, b"\0"))["bytes"] == b"\0"
    assert plain.incoming({"text": "hi"}).text == "hi"
    assert plain.hello("c", "t") is plain.received(1) is None


def test_numbered_frames():
    numbered = framing_of(["other", "shem.v1"])
    assert isinstance(numbered, Numbered)
    shown = json.loads(numbered.outgoing(7, Shown("hi"))["text"])
    assert shown == {"type": "message", "id": 7, "text": "hi"}
    assert json.loads(numbered.received(3)["text"]) == {"type": "received", "n": 3}
    told = numbered.incoming({"text": '{"n": 3, "binary": "AA=="}'})
    assert (told.n, told.binary, told.text) == (3, b"\0", None)
    assert numbered.incoming({"text": '{"ack": 9}'}).ack == 9
    for frame in ("", "{}", "[]", '{"text": "a", "binary": ""}', '{"n": -1, "text": "a"}', "{"):
        with pytest.raises(ValueError, match=r".+"):
            numbered.incoming({"text": frame})
    with pytest.raises(ValueError, match="unknown field"):
        numbered.incoming({"text": '{"text": "a", "more": 1}'})


class Gateway:
    """A holder on a cluster, with what it has published."""

    def __init__(self, cluster, name):
        self.posts = []
        broker = MemoryBroker(cluster)

        async def post(component, worker, payload, key):
            self.posts.append((component, worker, json.loads(payload)["function"], key))

        self.holder = Holder(broker.clients, Mailbag(broker), post, name=name)

    async def __aenter__(self):
        self._running = asyncio.create_task(self.holder.run())
        await self.holder.ready.wait()
        return self

    async def kill(self):
        """End without a word, as a crash does."""
        await self.__aexit__()

    async def __aexit__(self, *_):
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)


class Attached:
    def __init__(self):
        self.dropped = None

    def nudge(self):
        """Nothing is written in these tests."""

    def drop(self, code, reason):
        self.dropped = code


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


def test_a_client_is_opened_goes_and_is_gone(monkeypatch):
    monkeypatch.setattr(holding, "AWAY_S", 0.05)

    async def run():
        async with Gateway(MemoryCluster(), "a") as one:
            held, token = await one.holder.open(TARGET, "chat@1 /")
            connection = Attached()
            one.holder.attach(held, connection)
            one.holder.detach(held, connection)
            await until(lambda: len(one.posts) == 2)
            functions = [each[2] for each in one.posts]
            assert functions == ["opened", "left"]
            await until(lambda: one.holder.count == 0)
            with pytest.raises(RequestError) as error:
                await one.holder.resume(token, "chat@1 /")
            assert error.value.status == 410

    asyncio.run(run())


def test_a_client_that_comes_back_elsewhere_is_dropped_here():
    async def run():
        cluster = MemoryCluster()
        async with Gateway(cluster, "a") as one, Gateway(cluster, "b") as two:
            held, token = await one.holder.open(TARGET, "chat@1 /")
            connection = Attached()
            one.holder.attach(held, connection)
            again = await two.holder.resume(token, "chat@1 /")
            await until(lambda: connection.dropped == 4001)
            assert (one.holder.count, two.holder.count) == (0, 1)
            assert again.id == held.id
            with pytest.raises(RequestError) as error:
                await two.holder.resume(token, "other@1 /")
            assert error.value.status == 403

    asyncio.run(run())


def test_clients_of_a_dead_gateway_are_taken_over_and_end_when_nobody_comes(monkeypatch):
    monkeypatch.setattr(holding, "AWAY_S", 0.05)
    monkeypatch.setattr(holding, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(holding, "GATEWAY_TTL_S", 0.1)

    async def run():
        cluster = MemoryCluster()
        one = await Gateway(cluster, "a").__aenter__()
        held, _ = await one.holder.open(TARGET, "chat@1 /")
        await one.kill()
        async with Gateway(cluster, "b") as two:
            await until(lambda: [each[2] for each in two.posts] == ["left"])
            assert two.posts[0][3] == f"client-{held.id}-close"
            await until(lambda: two.holder.count == 0)

    asyncio.run(run())


def test_what_is_sent_to_a_client_that_has_just_gone_is_removed(monkeypatch):
    monkeypatch.setattr(holding, "AWAY_S", 0.05)

    async def run():
        cluster = MemoryCluster()
        sender = MemoryBroker(cluster)
        subject = subjects.client_messages("gone")
        async with Gateway(cluster, "a") as one:
            await sender.journal.publish(subject, b'{"text": "x"}', message_id="1:1")
            # The broker in memory passes nothing that is stored on to who listens.
            one.holder._nudge("gone")
            async with asyncio.timeout(10):
                while await sender.journal.last(subject) is not None:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)

    asyncio.run(run())


@pytest.mark.parametrize("is_stray", [False, True])
def test_messages_that_could_not_be_removed_when_their_client_went_are_removed_later(
    monkeypatch, is_stray
):
    monkeypatch.setattr(holding, "AWAY_S", 0.05)
    monkeypatch.setattr(holding, "HEARTBEAT_S", 0.02)

    async def run():
        cluster = MemoryCluster()
        sender = MemoryBroker(cluster)
        async with Gateway(cluster, "a") as one:
            held, _ = await one.holder.open(TARGET, "chat@1 /")
            client = "stray" if is_stray else held.id
            subject = subjects.client_messages(client)
            await sender.journal.publish(subject, b'{"text": "x"}', message_id="1:1")
            journal = one.holder.mailbag._broker.journal
            purge, refused = journal.purge, asyncio.Event()

            async def refuses(*_, **__):
                refused.set()
                raise BrokerError("no answer in time")

            journal.purge = refuses
            if is_stray:
                one.holder._nudge(client)
            else:
                one.holder.leave(held)
            await asyncio.wait_for(refused.wait(), 10)
            journal.purge = purge
            async with asyncio.timeout(10):
                while await sender.journal.last(subject) is not None:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)

    asyncio.run(run())


def test_an_end_that_a_dead_gateway_has_begun_is_gone_on_with(monkeypatch):
    monkeypatch.setattr(holding, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(holding, "GATEWAY_TTL_S", 0.1)

    async def run():
        cluster = MemoryCluster()
        one = await Gateway(cluster, "a").__aenter__()
        held, _ = await one.holder.open(TARGET, "chat@1 /")

        async def fails(*_):
            raise RequestError(503, "unavailable", "the broker is away")

        one.holder._post = fails
        with pytest.raises(RequestError):
            await one.holder.end(held)
        await one.kill()
        async with Gateway(cluster, "b") as two:
            await until(lambda: [each[2] for each in two.posts] == ["left"])

    asyncio.run(run())


class Wire:
    """A websocket by hand: what was written, and whether the next write waits."""

    def __init__(self):
        self.written = []
        self.takes = asyncio.Event()
        self.takes.set()
        self.waits = asyncio.Event()
        self.has_ended = asyncio.Event()

    async def receive(self):
        await self.has_ended.wait()
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(self, event):
        if "text" in event:
            self.waits.set()
            await self.takes.wait()
        self.written.append(event)

    @property
    def texts(self):
        return [each["text"] for each in self.written if "text" in each]

    @property
    def said(self):
        frames = [json.loads(each) for each in self.texts]
        return [each["text"] for each in frames if each["type"] == "message"]


def test_what_is_written_to_a_dead_connection_reaches_the_one_after_it():
    async def run():
        cluster = MemoryCluster()
        sender = MemoryBroker(cluster)
        async with Gateway(cluster, "a") as one, asyncio.TaskGroup() as tasks:
            held, token = await one.holder.open(TARGET, "chat@1 /")
            subject = subjects.client_messages(held.id)
            dead, living = Wire(), Wire()
            first = Connection(held, one.holder, Plain(), dead.receive, dead.send)
            tasks.create_task(first.run(token))
            got = (
                await sender.journal.publish(subject, b'{"text": "1"}', message_id="1:1")
            ).sequence
            one.holder._nudge(held.id)
            await until(lambda: dead.texts == ["1"])
            # The client has got the first, its network breaks, and it comes back.
            await one.holder.resume(token, "chat@1 /")
            again = Connection(held, one.holder, Plain(), living.receive, living.send, after=got)
            await sender.journal.publish(subject, b'{"text": "2"}', message_id="1:2")
            one.holder._nudge(held.id)
            await until(lambda: dead.texts == ["1", "2"])
            tasks.create_task(again.run(token))
            await until(lambda: living.texts[:1] == ["2"])
            dead.has_ended.set()
            living.has_ended.set()

    asyncio.run(run())


@pytest.mark.parametrize("restarts", [False, True], ids=["living", "new"])
@pytest.mark.parametrize("acks", [False, True], ids=["kept", "acknowledged"])
def test_what_is_sent_again_after_a_long_while_is_heard_once(monkeypatch, restarts, acks):
    """The broker has forgotten the ids, and the client does not say what it has got by itself."""
    monkeypatch.setattr("gateway.clients.connection._FORGET_EVERY_S", 0)

    async def run():
        cluster = MemoryCluster()
        sender = MemoryBroker(cluster)
        one = await Gateway(cluster, "a").__aenter__()
        held, token = await one.holder.open(TARGET, "chat@1 /")
        subject = subjects.client_messages(held.id)

        async def send(gateway, *indices):
            for index in indices:
                data = json.dumps({"text": str(index)}).encode()
                await sender.journal.publish(subject, data, message_id=f"1:{index}")
                gateway.holder._nudge(held.id)

        wire = Wire()
        connection = Connection(held, one.holder, Numbered(), wire.receive, wire.send)
        running = asyncio.create_task(connection.run(token))
        await send(one, 3, 7)
        await until(lambda: wire.said == ["3", "7"])
        if acks:
            await connection._take({"text": json.dumps({"ack": held.written})})
            await until(lambda: len(cluster.stream.select(subject)) < 2)
        await asyncio.sleep(DUPLICATE_WINDOW_S + 1)
        two, resumed = one, wire
        if restarts:
            await one.kill()
            running.cancel()
            two, resumed = await Gateway(cluster, "b").__aenter__(), Wire()
            again = await two.holder.resume(token, "chat@1 /")
            connection = Connection(
                again, two.holder, Numbered(), resumed.receive, resumed.send, after=held.written
            )
            running = asyncio.create_task(connection.run(token))
        await send(two, 3, 7, 9)
        await until(lambda: resumed.said[-1:] == ["9"])
        assert resumed.said == (["9"] if restarts else ["3", "7", "9"])
        resumed.has_ended.set()
        await asyncio.gather(running, return_exceptions=True)
        await two.kill()

    in_virtual_time(run())


def test_a_slow_write_of_an_older_connection_sets_the_newer_one_nowhere():
    async def run():
        cluster = MemoryCluster()
        sender = MemoryBroker(cluster)
        async with Gateway(cluster, "a") as one, asyncio.TaskGroup() as tasks:
            held, token = await one.holder.open(TARGET, "chat@1 /")
            subject = subjects.client_messages(held.id)
            slow, living = Wire(), Wire()
            slow.takes.clear()
            first = Connection(held, one.holder, Plain(), slow.receive, slow.send)
            tasks.create_task(first.run(token))
            for count in range(3):
                data = json.dumps({"text": str(count)}).encode()
                await sender.journal.publish(subject, data, message_id=f"1:{count}")
            one.holder._nudge(held.id)
            await slow.waits.wait()
            again = Connection(held, one.holder, Plain(), living.receive, living.send, after=0)
            tasks.create_task(again.run(token))
            await until(lambda: living.texts == ["0", "1", "2"])
            written = held.written
            slow.takes.set()
            await until(lambda: slow.texts == ["0"])
            assert held.written == written
            slow.has_ended.set()
            living.has_ended.set()

    asyncio.run(run())


@pytest.mark.parametrize("other", ["a", "b"], ids=["at its gateway", "at another gateway"])
def test_who_comes_back_while_its_end_is_written_is_told_that_it_is_gone(other):
    async def run():
        cluster = MemoryCluster()
        async with Gateway(cluster, "a") as one, Gateway(cluster, "b") as two:
            held, token = await one.holder.open(TARGET, "chat@1 /")
            writing, goes_on = asyncio.Event(), asyncio.Event()
            delete = one.holder._bucket.delete

            async def slow(key):
                writing.set()
                await goes_on.wait()
                await delete(key)

            one.holder._bucket.delete = slow
            ending = asyncio.create_task(one.holder.end(held))
            await writing.wait()
            with pytest.raises(RequestError) as error:
                await (one if other == "a" else two).holder.resume(token, "chat@1 /")
            goes_on.set()
            await ending
            assert error.value.status == 410
            assert [each[2] for each in one.posts] == ["opened", "left"]
            assert one.holder.count == two.holder.count == 0

    asyncio.run(run())


def test_a_connection_that_is_made_while_its_client_ends_is_told_to_begin_anew():
    async def run():
        async with Gateway(MemoryCluster(), "a") as one:
            held, token = await one.holder.open(TARGET, "chat@1 /")
            again = await one.holder.resume(token, "chat@1 /")
            connection = Attached()
            ending = asyncio.create_task(one.holder.end(held))
            await asyncio.sleep(0)
            one.holder.attach(again, connection)
            await ending
            assert connection.dropped == 1012

    asyncio.run(run())
