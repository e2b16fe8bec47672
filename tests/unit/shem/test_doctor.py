"""What the doctor makes of what it sees: each finding from a deployment wrong in one way."""

import msgspec
import pytest

from broker.inspection import Disk, Grants, Identity, Inspection, Mark, Peer, Queue, StreamFacts
from broker.jetstream import inspect
from broker.jetstream.setup import BUCKET_STREAMS
from broker.sharding import Sharding
from broker.subjects import STREAM
from shem.doctor import Expected, Level, examine

NOW_NS = 1_764_000_000_000_000_000


def mark(name="e0", ahead_ms=0, **more):
    about = {
        "name": name,
        "partitions": [0, 1],
        "at-ms": NOW_NS // 1_000_000 + ahead_ms,
        **more,
    }
    return Mark(executor=name, data=msgspec.json.encode(about), stored_ns=NOW_NS)


def stream(name, **more):
    peers = (Peer(name="n1", is_leader=True), Peer(name="n2"), Peer(name="n3"))
    return StreamFacts(
        **{"name": name, "replicas": 3, "messages": 5, "bytes": 500, "peers": peers, **more}
    )


# What a server says of a replica whose server was killed some seconds ago.
KILLED = msgspec.json.encode(
    {
        "config": {"num_replicas": 3},
        "cluster": {
            "leader": "n1",
            "replicas": [
                {"name": "n3", "current": True, "active": 837_581_137},
                {"name": "n2", "current": False, "active": 0, "lag": 15},
            ],
        },
    }
)


def told(name, data):
    return inspect._facts(name, msgspec.json.decode(data, type=inspect._Info), ())


WELL = Inspection(
    server="n1",
    version="2.15.1",
    has_jetstream=True,
    encrypted=True,
    certificate_left_s=60 * 86_400.0,
    payload_bytes_max=8 << 20,
    round_trip_s=0.001,
    clock_ahead_s=0.002,
    clock_error_s=0.0005,
    syncs_always=True,
    sharding=Sharding(2),
    streams=tuple(stream(name) for name in (STREAM, *BUCKET_STREAMS)),
    queues=tuple(
        Queue(partition=number, waiting=0, unacknowledged=1, is_owned=True) for number in (0, 1)
    ),
    members=(mark(),),
    identity=Identity(user="U1", account="A1", publish=Grants(allow=("shem.>",))),
    disk=Disk(used=10, limit=100),
)


def findings(expected=None, **changes):
    seen = msgspec.structs.replace(WELL, **changes)
    return [each for each in examine(seen, expected or Expected()) if each.level is not Level.OK]


def test_a_deployment_that_is_well_has_nothing_but_good_findings():
    assert findings() == []
    checks = {each.check for each in examine(WELL, Expected())}
    assert checks >= {"server-version", "sync", "streams", "replicas", "clock", "lag", "disk"}


CASES = [
    ("server-version", "error", "2.10", {"version": "2.10.1"}),
    ("payload", "warning", "1048576 bytes", {"payload_bytes_max": 1 << 20}),
    ("sync", "error", "power failure", {"syncs_always": False}),
    ("sync", "unknown", "not told", {"syncs_always": None}),
    ("encryption", "warning", "not encrypted", {"encrypted": False}),
    ("certificate", "warning", "good for 20 days", {"certificate_left_s": 20.5 * 86_400}),
    ("streams", "error", "does not exist", {"missing": ("KV_SHEM_APIS",)}),
    (
        "streams",
        "error",
        "max_age is 5",
        {"streams": (stream(STREAM, differences=("max_age is 5 instead of 0",)),)},
    ),
    (
        "streams",
        "error",
        "being split into 4",
        {"splitting": 4, "streams": (stream(STREAM, differences=("it takes in less",)),)},
    ),
    ("replicas", "warning", "has 1 of them", {"streams": (stream(STREAM, replicas=1),)}),
    (
        "replicas",
        "error",
        "KV_X has 1 replicas, 3 are wanted",
        {"streams": (stream(STREAM), stream("KV_X", replicas=1))},
    ),
    (
        "replicas",
        "error",
        "n2 of SHEM_OPLOG is offline",
        {
            "streams": (
                stream(
                    STREAM,
                    peers=(Peer(name="n1", is_leader=True), Peer(name="n2", is_offline=True)),
                ),
            )
        },
    ),
    (
        "replicas",
        "error",
        "n2 of SHEM_OPLOG is not heard of by its leader, and 15 operations behind",
        {"streams": (told(STREAM, KILLED),)},
    ),
    ("replicas", "error", "no leader", {"streams": (stream(STREAM, peers=(Peer(name="n1"),)),)}),
    (
        "replicas",
        "warning",
        "9000 operations behind",
        {
            "streams": (
                stream(
                    STREAM,
                    peers=(
                        Peer(name="n1", is_leader=True),
                        Peer(name="n2", is_current=False, lag=9_000),
                    ),
                ),
            )
        },
    ),
    ("clock", "error", "this machine is +900.0 ms", {"clock_ahead_s": 0.9}),
    ("clock", "error", "executor e7 is -2000.0 ms", {"members": (mark("e7", -2_000),)}),
    (
        "storing",
        "error",
        "the heartbeat of executor e0 was stored 120 s ago",
        {"looked_ns": NOW_NS + 120 * 10**9 + 2_000_000},
    ),
    ("executors", "error", "no executor lives", {"members": ()}),
    ("partitions", "warning", "nobody owns partitions 1", {"members": (mark(partitions=[0]),)}),
    (
        "logs",
        "error",
        "the logs of c/a, c/b are damaged",
        {
            "members": (
                mark("a", partitions=[0], damaged=["c/b"]),
                mark("b", partitions=[1], damaged=["c/a", "c/b"]),
            )
        },
    ),
    ("partitions", "warning", "several", {"members": (mark("a"), mark("b"))}),
    (
        "lag",
        "warning",
        "1: 5000",
        {"queues": (Queue(partition=1, waiting=5_000, unacknowledged=0, is_owned=False),)},
    ),
    ("disk", "warning", "85%", {"disk": Disk(used=85, limit=100)}),
    ("disk", "error", "97%", {"disk": Disk(used=97, limit=100)}),
    ("disk", "unknown", "no limit", {"disk": Disk(used=97, limit=None)}),
    ("identity", "warning", "may do everything", {"identity": Identity(user="", account="$G")}),
    ("permissions", "unknown", "not seen: stream X", {"unseen": ("stream X: denied",)}),
]


@pytest.mark.parametrize(("check", "level", "words", "changes"), CASES)
def test_each_thing_that_is_wrong_is_found(check, level, words, changes):
    found = findings(**changes)
    assert [(each.check, each.level) for each in found] == [(check, level)]
    assert words in found[0].message
    assert found[0].hint


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        (Peer(name="n2", is_offline=True), "n2 of A and 2 more is offline"),
        (
            Peer(name="n2", is_current=False, is_silent=True, lag=4),
            "n2 of A and 2 more is not heard of by its leader, and 4 operations behind",
        ),
    ],
)
def test_a_server_that_is_down_is_one_finding(peer, words):
    streams = tuple(stream(name, peers=(Peer(name="n1", is_leader=True), peer)) for name in "ABC")
    found = examine(msgspec.structs.replace(WELL, streams=(*streams, stream(STREAM))), Expected())
    assert [words in each.message for each in found if each.level is Level.ERROR] == [True]


def test_streams_without_a_leader_are_one_finding():
    streams = tuple(stream(name, peers=(Peer(name="n1"),)) for name in "ABC")
    found = examine(msgspec.structs.replace(WELL, streams=(*streams, stream(STREAM))), Expected())
    told = [each.message for each in found if each.level is Level.ERROR]
    assert told == ["streams A and 2 more have no leader: nothing can be stored"]


def test_what_the_operator_expects_is_asked_for():
    (found,) = findings(Expected(executors=2))
    assert (found.check, found.level) == ("executors", Level.ERROR)
    assert {each.check for each in findings(Expected(replicas=5))} == {"replicas"}


def test_a_stream_that_is_shorter_than_it_was_is_told():
    marks = {"high-water": b'{"1": {"seen": 40}, "0": {"seen": 3}}'}
    streams = tuple(stream(name, last_sequence=9) for name in (STREAM, *BUCKET_STREAMS))
    (found,) = findings(progress=marks, streams=streams)
    assert (found.check, found.level) == ("losses", Level.ERROR)
    assert "ends at sequence 9, and had reached 40 in partitions 1" in found.message

    noted = {"losses": b'{"1": {"seen": 40, "end": 9, "message": "gone", "at_ms": 1}}'}
    (found,) = findings(progress={**marks, **noted}, streams=streams)
    assert found.message == "partition 1 is served by nobody: gone"
    assert "accept-loss" in found.hint
