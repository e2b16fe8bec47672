"""Reading while replicas lag or fall silent. The servers are played: real ones lag at will."""

import asyncio
import base64
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from broker.errors import UnavailableError
from broker.jetstream import reader as module
from broker.jetstream import whole
from broker.jetstream.api import JetStreamApi
from broker.jetstream.journal import StreamInfo
from broker.jetstream.reader import StreamReader
from broker.jetstream.whole import read_whole
from broker.jetstream.wire import WireMessage

SUBJECT = "shem.oplog.1.c.w.in.invoke"
ELECTING = -1
"""An answer of servers that have no leader: nobody is there to read from."""


class Servers:
    """A wire to a leader and replicas: each read is answered by the next of `answers`.

    An answer is how many of the stored messages that replica has, or which ones; None: it never
    answers.
    """

    is_up = True
    is_closed = False
    electing = 0
    """How many questions to the leader are refused, since there is none yet."""

    def __init__(self, stored: int, answers: list[int | set[int] | None]) -> None:
        self.stored = self.counts = stored
        self.answers = answers
        self.reads = 0
        self._take: Callable[[WireMessage], None] = lambda _: None

    def new_inbox(self) -> str:
        return "inbox"

    def on_up(self, callback: Callable[[], None]) -> None:
        pass

    def on_denied(self, callback: Callable[..., None]) -> None:
        pass

    async def subscribe(self, subject: str, callback: Callable[[WireMessage], None]) -> None:
        self._take = callback

    def publish(self, subject: str, data: bytes, headers: Any = None, reply: str = "") -> None:
        asyncio.get_running_loop().call_soon(self._answer, msgspec.json.decode(data)["seq"], reply)

    def _answer(self, first: int, reply: str) -> None:
        has = self.answers[min(self.reads, len(self.answers) - 1)]
        self.reads += 1
        if has is None:
            return
        if has == ELECTING:
            self._take(WireMessage(reply, "", b"", parsed={}, status=503))
            return
        found = [each for each in _sequences(has) if each >= first]
        for sequence in found:
            headers = {
                "Nats-Subject": SUBJECT,
                "Nats-Sequence": str(sequence),
                "Nats-Time-Stamp": "2026-01-01T00:00:00Z",
            }
            self._take(WireMessage(reply, "", b"%d" % sequence, parsed=headers))
        end = 204 if found else 404
        self._take(WireMessage(reply, "", b"", parsed={}, status=end))

    def _direct(self, subject: str, sequence: int) -> WireMessage:
        has = self.answers[min(self.reads, len(self.answers) - 1)]
        self.reads += 1
        if has is None or sequence not in _sequences(has):
            return WireMessage(subject, "", b"", parsed={}, status=404)
        headers = {
            "Nats-Subject": SUBJECT,
            "Nats-Sequence": str(sequence),
            "Nats-Time-Stamp": "2026-01-01T00:00:00Z",
        }
        return WireMessage(subject, "", b"%d" % sequence, parsed=headers)

    async def request(
        self, subject: str, data: bytes, headers: Mapping[str, str] = {}, *, timeout_s: float
    ) -> WireMessage:
        if ".DIRECT.GET." in subject:
            # The newest one that is counted, which a replica has or does not have.
            return self._direct(subject, msgspec.json.decode(data).get("seq", self.stored))
        if self.electing:
            self.electing -= 1
            refusal = {"error": {"code": 503, "err_code": 10008, "description": "no leader"}}
            return WireMessage(subject, "", msgspec.json.encode(refusal), parsed={})
        if ".STREAM.INFO." in subject:
            state = {"last_seq": self.stored, "subjects": {SUBJECT: self.counts}}
            return WireMessage(subject, "", msgspec.json.encode({"state": state}), parsed={})
        message = {
            "subject": SUBJECT,
            "seq": self.stored,
            "time": "2026-01-01T00:00:00Z",
            "data": base64.b64encode(b"%d" % self.stored).decode(),
        }
        return WireMessage(subject, "", msgspec.json.encode({"message": message}), parsed={})


def _sequences(has: int | set[int]) -> list[int]:
    return sorted(has) if isinstance(has, set) else list(range(1, has + 1))


async def read_all(servers: Servers, from_sequence: int = 1) -> list[int]:
    reader = StreamReader(JetStreamApi(servers, "$JS.API."), "S", replicated=True)
    read = read_whole(reader, SUBJECT, from_sequence=from_sequence)
    return [message.sequence async for message in read]


async def read(servers: Servers, *, replicated: bool = True) -> list[int]:
    reader = StreamReader(JetStreamApi(servers, "$JS.API."), "S", replicated=replicated)
    return [message.sequence async for message in reader.read(SUBJECT)]


async def test_what_a_lagging_replica_lacks_is_read_from_another():
    assert await read(Servers(5, [3, 3, 5])) == [1, 2, 3, 4, 5]


async def test_a_replica_that_has_nothing_yet_does_not_make_the_stream_empty():
    assert await read(Servers(2, [0, 2])) == [1, 2]


async def test_replicas_that_never_catch_up_are_unavailable_and_not_believed(monkeypatch):
    monkeypatch.setattr(module, "READ_PATIENCE_S", 0.1)
    with pytest.raises(UnavailableError, match="lack sequence 5"):
        await read(Servers(5, [3]))


async def test_a_single_server_is_asked_once():
    servers = Servers(3, [3])
    assert await read(servers, replicated=False) == [1, 2, 3]
    assert servers.reads == 1


async def test_a_replica_that_fell_silent_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(module, "READ_SILENCE_MAX_S", 0.01)
    assert await read(Servers(2, [None, 2])) == [1, 2]


async def test_a_read_waits_while_a_leader_is_elected():
    servers = Servers(2, [ELECTING] * 3 + [2])
    servers.electing = 4
    assert await read(servers) == [1, 2]


async def test_an_election_that_never_ends_is_unavailable(monkeypatch):
    monkeypatch.setattr(module, "READ_PATIENCE_S", 0.1)
    with pytest.raises(UnavailableError, match="503"):
        await read(Servers(2, [ELECTING]))


async def test_servers_that_are_all_silent_are_unavailable(monkeypatch):
    monkeypatch.setattr(module, "READ_PATIENCE_S", 0.1)
    monkeypatch.setattr(module, "READ_SILENCE_MAX_S", 0.01)
    with pytest.raises(UnavailableError, match="no answer in time"):
        await read(Servers(2, [None]))


@pytest.mark.parametrize("damaged", [1, 2, 5])
async def test_what_one_replica_passes_over_is_read_from_another(damaged: int):
    """It is counted there, too, and nothing in the answer says that it is missing."""
    left = {1, 2, 3, 4, 5} - {damaged}
    servers = Servers(5, [left, left, 5])
    assert sorted(await read_all(servers)) == [1, 2, 3, 4, 5]
    assert await read_all(Servers(5, [5])) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("damaged", [3, 4, 5])
async def test_behind_a_watermark_nothing_is_passed_over_either(damaged: int):
    left = {1, 2, 3, 4, 5} - {damaged}
    servers = Servers(5, [left, {1, 2, 3, 4, 5}])
    assert sorted(await read_all(servers, 3)) == [3, 4, 5]
    # What was read is enough where all that is counted lies behind it.
    servers = Servers(5, [{3, 4, 5}])
    servers.counts = 3
    assert await read_all(servers, 3) == [3, 4, 5]
    assert servers.reads == 1


async def test_replicas_that_are_damaged_in_different_places_have_all_of_it_together():
    servers = Servers(5, [{2, 3, 4, 5}, {1, 2, 4, 5}])
    assert sorted(await read_all(servers)) == [1, 2, 3, 4, 5]


async def test_what_no_replica_can_read_is_passed_over_in_the_end(monkeypatch):
    monkeypatch.setattr(whole, "READ_PATIENCE_S", 0.1)
    assert await read_all(Servers(5, [{1, 3, 4, 5}])) == [1, 3, 4, 5]


async def test_replicas_that_lag_are_not_believed_to_have_all_of_it(monkeypatch):
    monkeypatch.setattr(whole, "READ_PATIENCE_S", 0.1)
    with pytest.raises(UnavailableError, match="lack 2"):
        await read_all(Servers(5, [3]))


async def test_one_message_that_a_replica_lacks_is_had_from_the_leader():
    servers = Servers(5, [3])
    reader = StreamReader(JetStreamApi(servers, "$JS.API."), "S", replicated=True)
    found = await reader.get(5)
    assert found is not None
    assert found.data == b"5"
    near = await reader.get(2)
    assert near is not None
    assert near.data == b"2"


async def test_the_newest_message_that_a_replica_cannot_read_is_had_from_the_leader():
    """It answers that there is none, and its worker would be unknown."""
    servers = Servers(5, [{1, 2, 3, 4}])
    reader = StreamReader(JetStreamApi(servers, "$JS.API."), "S", replicated=True)
    found = await reader.last(SUBJECT)
    assert found is not None
    assert found.data == b"5"


async def test_one_message_that_a_single_server_lacks_is_not_there():
    servers = Servers(5, [3])
    reader = StreamReader(JetStreamApi(servers, "$JS.API."), "S", replicated=False)
    assert await reader.get(5) is None


@pytest.mark.parametrize(
    ("silent_s", "offline", "led"),
    [
        ([], [], True),
        ([0.5, 0.9], [False, False], True),
        ([0.5, 60.0], [False, False], True),
        ([4.0, 60.0], [False, False], False),
        ([0.1, 0.1], [True, True], False),
        ([0.1, 0.1, 9, 9], [False] * 4, True),
        ([0.1, 9, 9, 9], [False] * 4, False),
    ],
)
def test_a_leader_leads_while_it_hears_a_majority(
    silent_s: list[float], offline: list[bool], *, led: bool
) -> None:
    replicas = [
        {"name": "n", "active": int(silence * 1e9), "offline": gone}
        for silence, gone in zip(silent_s, offline, strict=True)
    ]
    told: dict[str, Any] = {"state": {"last_seq": 5}, "cluster": {"leader": "x"}}
    if replicas:
        told["cluster"]["replicas"] = replicas
    info = msgspec.convert(told, StreamInfo)
    assert info.is_led is led
