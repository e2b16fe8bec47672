"""Which faults happen when: drawn from the seed before anything starts."""

import random
from collections.abc import Iterator
from typing import Final, TypeAlias

from msgspec import Struct

__all__ = [
    "BreakNetwork",
    "CutNetwork",
    "DamageReplica",
    "DrainExecutor",
    "Fault",
    "FullDisk",
    "JumpClock",
    "KillExecutor",
    "KillLeader",
    "KillServer",
    "Means",
    "PartBrokers",
    "PauseExecutor",
    "SlowDisk",
    "TearWrite",
    "broker_faults",
    "faults",
    "worse_faults",
]

_CALM_S: Final = (2.0, 5.0)
# Longer than a membership lives, so that a paused executor has lost everything when it comes back.
_PAUSE_S: Final = (4.0, 8.0)
_SERVER_DOWN_S: Final = (0.1, 1.5)
_EXECUTOR_DOWN_S: Final = (0.1, 3.0)
_SHORT_CALM_S: Final = (0.5, 2.0)
_BROKEN_S: Final = (2.0, 6.0)
_JUMP_S: Final = (5.0, 3_600.0)
_MODES: Final = ("SILENT", "DEAF", "SLOW", "LOSES_ACKS", "DOUBLES_ACKS")
_PARTED: Final = ("alone", "deaf", "mute", "pair")
_DAMAGED: Final = ("flip", "cut")
# An election takes 4 to 9 s, so that some end before one and some after.
_PARTED_S: Final = (3.0, 10.0)
_PARTED_HEAL_S: Final = 3.0
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


class BreakNetwork(Struct, frozen=True):
    """Treat what passes between an executor and the brokers in another way for a while."""

    calm_s: float
    executor: int
    mode: str
    broken_s: float


class CutNetwork(Struct, frozen=True):
    """End all connections of an executor."""

    calm_s: float
    executor: int


class SlowDisk(Struct, frozen=True):
    """Make each sync of a broker take long for a while."""

    calm_s: float
    server: int
    slow_s: float


class FullDisk(Struct, frozen=True):
    """Leave no room on the disk of a broker for a while, then start the broker anew."""

    calm_s: float
    server: int
    full_s: float


class TearWrite(Struct, frozen=True):
    """`kill -9` of a broker, half a message behind its last one, and it again."""

    calm_s: float
    server: int
    heal_s: float


class PartBrokers(Struct, frozen=True):
    """Lose what brokers send to each other for a while; executors and clients reach all of them.

    `how`: `alone` (a broker neither hears the others nor is heard), `deaf` (it is heard and hears
    nothing), `mute` (the other way round), `pair` (it and the next one do not reach each other, and
    the third one reaches both). `server` None: the one that leads the stream.
    """

    calm_s: float
    server: int | None
    how: str
    parted_s: float
    heal_s: float


class DamageReplica(Struct, frozen=True):
    """Damage what a broker has stored while it is down; the others have it.

    `how`: `flip` (one bit, at a `share` of the newest block), `cut` (the end of the last message is
    gone).
    """

    calm_s: float
    server: int
    how: str
    share: float


class JumpClock(Struct, frozen=True):
    """Set the clock of an executor forward or back."""

    calm_s: float
    executor: int
    by_s: float


Fault: TypeAlias = (
    KillExecutor
    | PauseExecutor
    | DrainExecutor
    | KillServer
    | KillLeader
    | BreakNetwork
    | CutNetwork
    | SlowDisk
    | FullDisk
    | TearWrite
    | JumpClock
    | PartBrokers
    | DamageReplica
)


class Means(Struct, frozen=True, kw_only=True):
    """What can be broken on this machine, besides processes and the network."""

    slow_disk: bool = False
    full_disk: bool = False
    clock: bool = False
    network: bool = False
    """Whether brokers have a network of their own; with replicas, copies can be damaged, too."""
    replicas: bool = False


def broker_faults(seed: int, *, servers: int, means: Means) -> Iterator[Fault]:
    """Yield faults between brokers and in single copies of what they store, without end.

    Each kind comes once, in an order that the seed decides, before one comes again.
    """
    source = random.Random(f"{seed}/brokers")
    while kinds := _broker_kinds(means):
        source.shuffle(kinds)
        for kind in kinds:
            yield _broker_fault(kind, source, servers)


def _broker_kinds(means: Means) -> list[str]:
    kinds = ["leader alone", "leader deaf", *_PARTED] if means.network else []
    return [*kinds, *_DAMAGED] if means.replicas else kinds


def _broker_fault(kind: str, source: random.Random, servers: int) -> Fault:
    calm_s, server = source.uniform(*_SHORT_CALM_S), source.randrange(servers)
    leads, _, how = kind.rpartition(" ")
    if how in _DAMAGED:
        return DamageReplica(calm_s, server, how, source.random())
    parted_s = source.uniform(*_PARTED_S)
    return PartBrokers(calm_s, None if leads else server, how, parted_s, _PARTED_HEAL_S)


def worse_faults(seed: int, *, executors: int, servers: int, means: Means) -> Iterator[Fault]:
    """Yield faults of networks, disks and clocks, and kills among them, without end.

    Each kind comes once, in an order that the seed decides, before one comes again.
    """
    source = random.Random(f"{seed}/worse")
    heal_s = _CLUSTER_HEAL_S if servers > 1 else 0.0
    while True:
        kinds = [*_MODES, "cut", "tear", "kill", "kill server"]
        kinds += ["slow disk"] if means.slow_disk else []
        kinds += ["full disk"] if means.full_disk else []
        kinds += ["clock forward", "clock back"] if means.clock else []
        between = _broker_kinds(means)
        kinds += between
        source.shuffle(kinds)
        for kind in kinds:
            if kind in between:
                yield _broker_fault(kind, source, servers)
                continue
            calm_s = source.uniform(*_SHORT_CALM_S)
            executor, server = source.randrange(executors), source.randrange(servers)
            while_s = source.uniform(*_BROKEN_S)
            match kind:
                case "cut":
                    yield CutNetwork(calm_s, executor)
                case "tear":
                    yield TearWrite(calm_s, server, heal_s)
                case "kill":
                    yield KillExecutor(calm_s, executor, source.uniform(*_EXECUTOR_DOWN_S))
                case "kill server":
                    down_s = source.uniform(*_SERVER_DOWN_S)
                    yield KillServer(calm_s, server, down_s, heal_s)
                case "slow disk":
                    yield SlowDisk(calm_s, server, while_s)
                case "full disk":
                    yield FullDisk(calm_s, server, while_s)
                case "clock forward":
                    yield JumpClock(calm_s, executor, source.uniform(*_JUMP_S))
                case "clock back":
                    yield JumpClock(calm_s, executor, -source.uniform(*_JUMP_S))
                case _:
                    yield BreakNetwork(calm_s, executor, kind, while_s)


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
