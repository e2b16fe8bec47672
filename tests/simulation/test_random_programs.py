"""A few seeds of `make verify`."""

import pytest

from tests.simulation.verify import check


@pytest.mark.parametrize("seed", [1, 2])
def test_random_programs_under_random_deaths_end_as_the_model_says(seed: int) -> None:
    assert check(seed) > 100
