"""Carries the faults of a plan out, one after the other, and writes down when."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, assert_never

from tests.chaos.cluster import Executor, Process, Server
from tests.chaos.disk import cut_last_write, filled, flip_bit, slowed, tear_last_write
from tests.chaos.network import Network
from tests.chaos.plan import (
    BreakNetwork,
    CutNetwork,
    DamageReplica,
    DrainExecutor,
    Fault,
    FullDisk,
    JumpClock,
    KillExecutor,
    KillLeader,
    KillServer,
    PartBrokers,
    PauseExecutor,
    SlowDisk,
    TearWrite,
)
from tests.chaos.proxy import Mode, Proxies

__all__ = ["Attack", "kind_of"]

_POLL_S: Final = 0.2


class Attack:
    """Hits processes for a while.

    `find_leader` returns the name of the leading server, or None; `wait_until_whole` returns when
    every replica has all that there is.
    """

    def __init__(
        self,
        executors: Sequence[Executor],
        servers: Sequence[Server],
        find_leader: Callable[[], str | None],
        events: Path,
        proxies: Proxies,
        network: Network | None = None,
        wait_until_whole: Callable[[], None] = lambda: None,
    ) -> None:
        self._proxies = proxies
        self._network = network
        self._wait_until_whole = wait_until_whole
        self.kinds: Counter[str] = Counter()
        self._executors = executors
        self._servers = servers
        self._find_leader = find_leader
        self._events = events.open("w", buffering=1)
        self._started = time.monotonic()
        self.count = 0
        self.ended: list[str] = []
        """Executors that ended though nobody hit them, and how."""

    def run(self, faults: Iterator[Fault], seconds: float) -> None:
        """Carry out faults until `seconds` have passed; the last one is brought to its end."""
        ends_at = self._started + seconds
        for fault in faults:
            if not self._wait(fault.calm_s, ends_at):
                break
            self._hit(fault)
            self.count += 1
            self.kinds[kind_of(fault)] += 1
        self._say("calm")

    def _hit(self, fault: Fault) -> None:
        match fault:
            case KillExecutor(executor=index, down_s=down_s):
                self._bounce(self._executors[index], "kill", down_s)
            case PauseExecutor(executor=index, pause_s=pause_s):
                victim = self._executors[index]
                self._say(f"pause {victim.name} for {pause_s:.1f} s")
                victim.pause()
                time.sleep(pause_s)
                victim.resume()
                self._say(f"go on {victim.name}")
            case DrainExecutor(executor=index):
                self._bounce(self._executors[index], "drain", 0)
            case KillServer(server=index, down_s=down_s, heal_s=heal_s):
                self._bounce(self._servers[index], "kill", down_s)
                time.sleep(heal_s)
            case KillLeader(down_s=down_s, heal_s=heal_s):
                self._bounce(self._servers[self._leading()], "kill leader", down_s)
                time.sleep(heal_s)
            case PartBrokers():
                self._part(fault)
            case DamageReplica(server=index, how=how, share=share):
                server = self._servers[index]
                server.kill()
                done = (
                    flip_bit(server.store, share) if how == "flip" else cut_last_write(server.store)
                )
                self._say(f"damage what {server.name} has: {how}, {'done' if done else 'nothing'}")
                server.start()
                # Another copy may be damaged only when this one has been mended.
                self._wait_until_whole()
                self._say("all replicas are whole")
            case _:
                self._hit_worse(fault)

    def _hit_worse(
        self, fault: BreakNetwork | CutNetwork | SlowDisk | FullDisk | TearWrite | JumpClock
    ) -> None:
        match fault:
            case BreakNetwork(executor=index, mode=mode, broken_s=broken_s):
                self._say(f"network of {self._executors[index].name}: {mode} for {broken_s:.1f} s")
                self._proxies.switch(index, Mode[mode])
                time.sleep(broken_s)
                self._proxies.switch(index, Mode.PASS)
            case CutNetwork(executor=index):
                self._say(f"cut {self._executors[index].name} off")
                self._proxies.cut(index)
            case SlowDisk(server=index, slow_s=slow_s):
                server = self._servers[index]
                self._say(f"slow disk of {server.name} for {slow_s:.1f} s")
                with slowed(server.pid):
                    time.sleep(slow_s)
            case FullDisk(server=index, full_s=full_s):
                server = self._servers[index]
                self._say(f"full disk of {server.name} for {full_s:.1f} s")
                with filled(server.store):
                    time.sleep(full_s)
                # A server that met a full disk stores nothing more until it is started anew.
                self._bounce(server, "restart", 0)
            case TearWrite(server=index, heal_s=heal_s):
                server = self._servers[index]
                self._say(f"kill {server.name} in mid-write")
                server.kill()
                tear_last_write(server.store)
                server.start()
                time.sleep(heal_s)
            case JumpClock(executor=index, by_s=by_s):
                self._say(f"clock of {self._executors[index].name} by {by_s:.0f} s")
                self._executors[index].jump(by_s)
            case _:
                assert_never(fault)

    def _part(self, fault: PartBrokers) -> None:
        assert self._network is not None, "brokers share a network"
        one = self._leading() if fault.server is None else fault.server
        others = [index for index in range(len(self._servers)) if index != one]
        if fault.how == "pair":
            others = [(one + 1) % len(self._servers)]
        self._say(f"{self._servers[one].name} {fault.how} for {fault.parted_s:.1f} s")
        for other in others:
            if fault.how != "deaf":
                self._network.lose(one, other)
            if fault.how != "mute":
                self._network.lose(other, one)
        time.sleep(fault.parted_s)
        self._network.heal()
        self._say("brokers reach each other")
        time.sleep(fault.heal_s)

    def _leading(self) -> int:
        name = self._find_leader()
        found = [index for index, each in enumerate(self._servers) if each.name == name]
        return found[0] if found else 0

    def _bounce(self, victim: Process, how: str, down_s: float) -> None:
        self._say(f"{how} {victim.name}")
        if how == "drain":
            victim.terminate()
            self._say(f"{victim.name} left with status {victim.exit_status}")
        else:
            victim.kill()
        time.sleep(down_s)
        victim.start()
        self._say(f"start {victim.name}")

    def _wait(self, seconds: float, ends_at: float) -> bool:
        """Wait, and bring back executors that ended by themselves; False when time is up."""
        until = min(time.monotonic() + seconds, ends_at)
        while time.monotonic() < until:
            for executor in self._executors:
                if not executor.is_running:
                    self._note_end(executor)
                    executor.start()
            time.sleep(_POLL_S)
        return time.monotonic() < ends_at

    def finish(self) -> None:
        """Note executors that have ended since the last fault; nothing is written down any more."""
        for executor in self._executors:
            if not executor.is_running:
                self._note_end(executor)
        self._events.close()

    def _note_end(self, executor: Executor) -> None:
        self.ended.append(f"{executor.name}-{executor.starts}: {executor.exit_status}")
        self._say(f"{executor.name} ended by itself: {executor.exit_status}")

    def _say(self, text: str) -> None:
        stamp = datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3]
        self._events.write(f"{stamp} {time.monotonic() - self._started:8.2f} {text}\n")


def kind_of(fault: Fault) -> str:
    """Return the name under which a fault is counted."""
    match fault:
        case BreakNetwork(mode=mode):
            return mode
        case PartBrokers(server=server, how=how):
            return f"{'broker' if server is not None else 'leader'} {how}"
        case DamageReplica(how=how):
            return f"replica {how}"
        case _:
            return type(fault).__name__
