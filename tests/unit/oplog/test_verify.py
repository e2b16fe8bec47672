"""Verifying whole logs: intact ones, and ones that are wrong in one way each."""

import msgspec

from broker.ports import Message
from oplog.codec import encode
from oplog.commit import GENESIS_HASH, Marks
from oplog.entries import Deleted, NoOp
from oplog.limits import INLINE_BYTES_MAX
from oplog.payloads import prefix
from oplog.verify import LogVerifier, damaged_values

SUBJECT = "shem.oplog.0.counter.alice.log"


def chain(make, count):
    """`count` commits, `create` and then nothing much."""
    encoded = [encode(1, (make.create(),), Marks(), GENESIS_HASH)]
    for first in range(2, count + 1):
        encoded.append(encode(first, (NoOp(),), Marks(invoked=first), encoded[-1].hash))
    return encoded


def stored(encoded):
    return [
        Message(subject=SUBJECT, sequence=10 * number, data=each.data, headers=each.headers)
        for number, each in enumerate(encoded, 1)
    ]


def verified(messages):
    log = LogVerifier()
    for message in messages:
        log.take(message)
    return log.report()


def kinds(report):
    return [damage.kind for damage in report.damage]


def test_an_intact_log_has_no_damage(make):
    report = verified(stored(chain(make, 4)))

    assert (report.commits, report.entries, report.damage) == (4, 4, ())
    assert (report.intact_to, report.intact_sequence) == (4, 40)


def test_a_flipped_bit_is_told_with_its_place_and_what_follows_is_still_read(make):
    messages = stored(chain(make, 4))
    data = bytearray(messages[1].data)
    data[-3] ^= 1
    messages[1] = msgspec.structs.replace(messages[1], data=bytes(data))

    report = verified(messages)

    assert kinds(report) == ["body"]
    assert (report.damage[0].index, report.damage[0].sequence) == (2, 20)
    assert (report.intact_to, report.intact_sequence, report.last_index) == (1, 10, 4)


def test_a_missing_commit_is_a_hole(make):
    messages = stored(chain(make, 4))
    report = verified([*messages[:1], *messages[2:]])

    assert kinds(report) == ["hole"]
    assert report.damage[0].index == 2


def test_a_commit_of_another_history_breaks_the_chain(make):
    encoded = chain(make, 3)
    foreign = encode(2, (NoOp(), NoOp()), Marks(invoked=2), "0" * 32)
    report = verified(stored([encoded[0], foreign]))

    assert kinds(report) == ["chain"]


def test_watermarks_must_not_go_back(make):
    encoded = chain(make, 3)
    back = encode(4, (NoOp(),), Marks(invoked=1), encoded[-1].hash)

    assert kinds(verified(stored([*encoded, back]))) == ["order"]


def test_what_lies_before_a_tombstone_counts_no_more(make):
    encoded = chain(make, 3)
    grave = encode(0, (Deleted(incarnation="i", at_ms=1),), Marks(), encoded[-1].hash)
    again = encode(1, (make.create(),), Marks(), grave.hash)

    report = verified(stored([encoded[0], encoded[2], grave, again]))

    assert (report.damage, report.entries, report.last_index) == ((), 1, 1)


def test_large_values_are_looked_up_and_compared(run, make):
    async def body(world):
        large = msgspec.json.encode("x" * (INLINE_BYTES_MAX + 1))
        await world.write([make.create(), make.invoked(params=large)])
        (message,) = await world.stored()
        commit = LogVerifier().take(message)
        assert await damaged_values(commit, world.blobs) == []

        (name,) = await world.blobs.names(prefix(commit.entries[0].incarnation))
        await world.blobs.put(name, b"something else")
        (damage,) = await damaged_values(commit, world.blobs)
        assert (damage.kind, damage.index) == ("payload", 2)

    run(body)
