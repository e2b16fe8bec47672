"""When snapshots are taken."""

import pytest

from actors.snapshot_policy import (
    IDLE_AFTER_S,
    Cost,
    PolicyError,
    SnapshotPolicy,
    parse_policy,
)


def cost(*, entries=10, busy_s=0.0, since_s=0.0, last_took_s=0.01):
    return Cost(entries=entries, busy_s=busy_s, since_s=since_s, last_took_s=last_took_s)


def test_texts_are_understood():
    assert parse_policy("auto") == SnapshotPolicy(is_automatic=True)
    assert parse_policy("never").is_never
    assert parse_policy("idle,every=500,period=5m") == SnapshotPolicy(
        at_leaving=True, every_entries=500, period_s=300
    )


@pytest.mark.parametrize(
    "text",
    ["", "always", "every", "every=0", "every=-1", "every=x", "every=1,every=2", "period=5",
     "period=0s", "period=5d", "idle=1", "never,idle", "auto,idle", "idle,"],
)  # fmt: skip
def test_everything_else_is_refused_with_what_was_expected(text):
    with pytest.raises(PolicyError, match="expected"):
        parse_policy(text)


def test_automatic_snapshots_have_to_pay():
    policy = parse_policy("auto")
    cheap, dear = cost(busy_s=0.001), cost(busy_s=5.0)
    for asked in (policy.while_working, policy.while_idle, policy.when_leaving):
        assert not asked(cheap)
        assert asked(dear)
    # The first call of an interpreter is no long life.
    first = cost(entries=12, busy_s=0.1)
    assert not policy.while_working(first)
    assert not policy.while_idle(first)
    assert policy.while_idle(cost(entries=60, busy_s=0.1))
    # One that takes long itself has to gain more.
    assert not policy.while_working(cost(busy_s=0.5, last_took_s=0.1))
    assert policy.when_leaving(cost(busy_s=0.5, last_took_s=0.1))
    assert policy.idle_after_s(dear) == IDLE_AFTER_S
    assert policy.idle_after_s(cheap) is None
    assert policy.when_leaving(cost(entries=1_000))


def test_entries_and_periods_count_from_the_last_one():
    every = parse_policy("every=10")
    assert every.while_working(cost(entries=10))
    assert not every.while_working(cost(entries=9))
    assert every.idle_after_s(cost(entries=10)) is None
    period = parse_policy("period=60s")
    assert period.while_working(cost(since_s=61))
    assert not period.while_working(cost(since_s=59))
    assert not period.while_working(cost(entries=0, since_s=61))
    assert period.idle_after_s(cost(since_s=20)) == 40
    assert period.idle_after_s(cost(entries=0, since_s=20)) is None
    idle = parse_policy("idle")
    assert idle.when_leaving(cost(entries=1))
    assert not idle.when_leaving(cost(entries=0))
    assert not idle.while_working(cost(entries=10_000, busy_s=100))


@pytest.mark.parametrize("text", ["auto", "custom", "never", "idle", "every=3", "period=5s"])
def test_what_is_out_of_question_is_never_taken(text):
    policy, ruled_out = parse_policy(text), 0
    for entries in (0, 1, 5, 49, 50, 199, 200, 201, 5_000):
        for busy_s in (0.0, 0.001, 0.0099, 0.01, 1.0):
            if policy.is_out_of_question(entries, busy_s):
                ruled_out += 1
                asked = cost(entries=entries, busy_s=busy_s, since_s=9.0, last_took_s=0.0)
                assert policy.idle_after_s(asked) is None
                assert not policy.while_working(asked)
                assert not policy.when_leaving(asked)
    assert bool(ruled_out) is policy.is_automatic
