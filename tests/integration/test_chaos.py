"""Short attacks on real processes. Long ones: `make chaos SEED=… NODES=… WORSE=1 BROKERS=1`."""

from pathlib import Path

import pytest

from tests.chaos.run import Options, run


@pytest.mark.timeout(300)
def test_nothing_is_lost_doubled_reordered_or_stuck_under_attack(tmp_path: Path) -> None:
    options = Options(
        folder=tmp_path, seed=8, seconds=22, executors=2, clients=2, lanes=8, workers=60
    )

    outcome = run(options)

    assert not outcome.faults, "\n".join(map(str, outcome.faults[:20]))
    assert outcome.hits >= 3
    assert outcome.seen["workers"] == 60
    assert outcome.seen["calls"] > 20
    assert outcome.seen["heard"] == outcome.seen["stored"] > 200


@pytest.mark.timeout(300)
def test_networks_disks_and_clocks_that_fail_lose_nothing_either(tmp_path: Path) -> None:
    # Slow disks need strace, full ones a mount, clocks libfaketime: what is missing is left out.
    options = Options(
        folder=tmp_path,
        seed=1,
        seconds=22,
        executors=2,
        clients=2,
        lanes=6,
        workers=30,
        worse=True,
    )

    outcome = run(options)

    print(outcome.kinds)
    assert not outcome.faults, "\n".join(map(str, outcome.faults[:20]))
    assert outcome.hits >= 4
    assert outcome.seen["heard"] == outcome.seen["stored"] > 30


@pytest.mark.timeout(300)
def test_brokers_that_are_parted_and_copies_that_are_damaged_lose_nothing_either(
    tmp_path: Path,
) -> None:
    # Parting them needs root and network namespaces: without, copies alone are damaged.
    options = Options(
        folder=tmp_path,
        seed=11,
        seconds=15,
        nodes=3,
        executors=2,
        clients=2,
        lanes=4,
        workers=20,
        brokers=True,
    )

    outcome = run(options)

    print(outcome.kinds)
    assert not outcome.faults, "\n".join(map(str, outcome.faults[:20]))
    assert outcome.hits >= 2
    assert outcome.seen["heard"] == outcome.seen["stored"] > 30
