"""A short attack on real processes. Long ones: `make chaos SEED=… SECONDS=… NODES=…`."""

from pathlib import Path

import pytest

from tests.chaos.run import Options, run


@pytest.mark.timeout(300)
@pytest.mark.xdist_group("chaos")
def test_nothing_is_lost_doubled_reordered_or_stuck_under_attack(tmp_path: Path) -> None:
    options = Options(
        folder=tmp_path, seed=8, seconds=22, executors=2, clients=2, lanes=8, workers=60
    )

    outcome = run(options)

    assert not outcome.faults, "\n".join(map(str, outcome.faults[:20]))
    assert outcome.hits >= 3
    assert outcome.seen["workers"] == 60
    assert outcome.seen["heard"] == outcome.seen["stored"] > 200
