"""What a program hears of the client that it uses."""

import asyncio
from collections.abc import Iterator

import pytest
import structlog

import shem
from shem.logging import set_up_library


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    config = structlog.get_config() if structlog.is_configured() else None
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
    if config is not None:
        structlog.configure(**config)


def connect_to_nobody() -> None:
    async def connect() -> None:
        with pytest.raises(shem.UnavailableError):
            await shem.Client.connect("nats://127.0.0.1:1", timeout_s=0.1)

    asyncio.run(connect())


def test_stdout_is_the_programs_own(capsys: pytest.CaptureFixture[str]) -> None:
    connect_to_nobody()
    log = structlog.get_logger("shem.test")
    log.debug("a step")
    log.info("another step")
    log.warning("look here")
    out, err = capsys.readouterr()
    assert out == ""
    assert "look here" in err
    assert "step" not in err


def test_a_program_that_says_what_it_wants_is_left_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(0))
    set_up_library()
    connect_to_nobody()
    structlog.get_logger("shem.test").debug("a step")
    assert "a step" in capsys.readouterr().out
