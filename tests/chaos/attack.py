"""Carries the faults of a plan out, one after the other, and writes down when."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, assert_never

from tests.chaos.cluster import Process
from tests.chaos.plan import (
    DrainExecutor,
    Fault,
    KillExecutor,
    KillLeader,
    KillServer,
    PauseExecutor,
)

__all__ = ["Attack"]

_POLL_S: Final = 0.2


class Attack:
    """Hits processes for a while. `find_leader` returns the name of the leading server, or None."""

    def __init__(
        self,
        executors: Sequence[Process],
        servers: Sequence[Process],
        find_leader: Callable[[], str | None],
        events: Path,
    ) -> None:
        self._executors = executors
        self._servers = servers
        self._find_leader = find_leader
        self._events = events.open("w", buffering=1)
        self._started = time.monotonic()
        self.count = 0

    def run(self, faults: Iterator[Fault], seconds: float) -> None:
        """Carry out faults until `seconds` have passed; the last one is brought to its end."""
        ends_at = self._started + seconds
        for fault in faults:
            if not self._wait(fault.calm_s, ends_at):
                break
            self._hit(fault)
            self.count += 1
        self._say("calm")
        self._events.close()

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
                name = self._find_leader()
                leaders = [each for each in self._servers if each.name == name]
                self._bounce((leaders or self._servers)[0], "kill leader", down_s)
                time.sleep(heal_s)
            case _:
                assert_never(fault)

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
                    self._say(f"{executor.name} ended by itself: {executor.exit_status}")
                    executor.start()
            time.sleep(_POLL_S)
        return time.monotonic() < ends_at

    def _say(self, text: str) -> None:
        stamp = datetime.now(UTC).strftime("%H:%M:%S.%f")[:-3]
        self._events.write(f"{stamp} {time.monotonic() - self._started:8.2f} {text}\n")
