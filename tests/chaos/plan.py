"""Which faults happen when: drawn from the seed before anything starts."""

import random
from collections.abc import Iterator
from typing import Final, TypeAlias

from msgspec import Struct

__all__ = [
    "DrainExecutor",
    "Fault",
    "KillExecutor",
    "KillLeader",
    "KillServer",
    "PauseExecutor",
    "faults",
]

_CALM_S: Final = (2.0, 5.0)
# Longer than a membership lives, so that a paused executor has lost everything when it comes back.
_PAUSE_S: Final = (4.0, 8.0)
_SERVER_DOWN_S: Final = (0.1, 1.5)
_EXECUTOR_DOWN_S: Final = (0.1, 3.0)
# A cluster that just lost a server gets time to become whole: with two down nothing can be stored.
_CLUSTER_HEAL_S: Final = 10.0


class KillExecutor(Struct, frozen=True):
    """`kill -9`, and a new one after `down_s`."""

    calm_s: float
    executor: int
    down_s: float


class PauseExecutor(Struct, frozen=True):
    """SIGSTOP, and SIGCONT after `pause_s`."""

    calm_s: float
    executor: int
    pause_s: float


class DrainExecutor(Struct, frozen=True):
    """SIGTERM, wait for the end, and a new one."""

    calm_s: float
    executor: int


class KillServer(Struct, frozen=True):
    """`kill -9` of a broker, and it again on the same data after `down_s`."""

    calm_s: float
    server: int
    down_s: float
    heal_s: float


class KillLeader(Struct, frozen=True):
    """The same with the server that leads the stream."""

    calm_s: float
    down_s: float
    heal_s: float


Fault: TypeAlias = KillExecutor | PauseExecutor | DrainExecutor | KillServer | KillLeader


def faults(seed: int, *, executors: int, servers: int) -> Iterator[Fault]:
    """Yield faults without end, each to happen `calm_s` seconds after the one before was over."""
    source = random.Random(f"{seed}/faults")
    heal_s = _CLUSTER_HEAL_S if servers > 1 else 0.0
    while True:
        calm_s = source.uniform(*_CALM_S)
        executor = source.randrange(executors)
        server = source.randrange(servers)
        down_s = source.uniform(*_SERVER_DOWN_S)
        kind = source.random()
        if kind < 0.4:
            yield KillExecutor(calm_s, executor, source.uniform(*_EXECUTOR_DOWN_S))
        elif kind < 0.6:
            yield PauseExecutor(calm_s, executor, source.uniform(*_PAUSE_S))
        elif kind < 0.75:
            yield DrainExecutor(calm_s, executor)
        elif kind < 0.9 and servers > 1:
            yield KillLeader(calm_s, down_s, heal_s)
        else:
            yield KillServer(calm_s, server, down_s, heal_s)
