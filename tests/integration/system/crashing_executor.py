"""An executor process that is hit at a commit: SETTINGS PLACE COMMIT WORKER.

It is the COMMIT-th one of a worker whose name is WORKER. Everything is real but the thin wrapper
around the broker that pulls the trigger. At three places the process kills itself:
`before-publish`: the commit does not reach the broker; `before-ack`: it is stored, and the process
never learns it; `before-reply`: the process knows it, and tells nobody. At `stop` it stops itself
right before the publication, and says on stderr what came of that when it goes on.
"""

import asyncio
import os
import signal
import sys
from typing import Any, NoReturn

from broker.jetstream.connect import ConnectOptions, connect
from shem import executor

PLACES = ("before-publish", "before-ack", "before-reply", "stop")


class _Trigger:
    """Counts the commits of a worker and ends the process at the right one."""

    def __init__(self, place: str, commit: int, worker: str) -> None:
        self._place = place
        self._left = commit
        self._subject_end = f".{worker}.log"
        self._armed = False

    def before_append(self, subject: str) -> bool:
        """Say whether this is the commit before which we stopped."""
        self.before_sending()
        if subject.endswith(self._subject_end):
            self._left -= 1
            if self._left == 0 and self._place == "before-publish":
                _die()
            if self._left == 0 and self._place == "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
                return True
        return False

    def after_append(self, subject: str) -> None:
        if self._left == 0 and subject.endswith(self._subject_end):
            if self._place == "before-ack":
                _die()
            self._armed = self._place == "before-reply"

    def before_sending(self) -> None:
        if self._armed:
            _die()


class _Journal:
    def __init__(self, journal: Any, trigger: _Trigger) -> None:
        self._journal = journal
        self._trigger = trigger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def append(self, subject: str, *arguments: Any, **options: Any) -> int:
        was_stopped = self._trigger.before_append(subject)
        appending = asyncio.ensure_future(self._journal.append(subject, *arguments, **options))
        if was_stopped:
            # Whoever waits for it may be told first that the partition is lost.
            appending.add_done_callback(_tell)
        sequence: int = await asyncio.shield(appending)
        self._trigger.after_append(subject)
        return sequence

    async def schedule(self, *arguments: Any, **options: Any) -> Any:
        self._trigger.before_sending()
        return await self._journal.schedule(*arguments, **options)


class _Signals:
    def __init__(self, signals: Any, trigger: _Trigger) -> None:
        self._signals = signals
        self._trigger = trigger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._signals, name)

    def publish(self, *arguments: Any, **options: Any) -> None:
        self._trigger.before_sending()
        self._signals.publish(*arguments, **options)


class _Broker:
    def __init__(self, broker: Any, trigger: _Trigger) -> None:
        self._broker = broker
        self.journal = _Journal(broker.journal, trigger)
        self.signals = _Signals(broker.signals, trigger)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


def _tell(appending: "asyncio.Future[int]") -> None:
    print(f"append after the stop: {appending.exception()!r}", file=sys.stderr, flush=True)


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives SIGKILL")


def main() -> None:
    """Run the executor with the trigger between it and its broker."""
    settings, place, commit, worker = sys.argv[1:]
    assert place in PLACES
    trigger = _Trigger(place, int(commit), worker)

    async def connect_with_trigger(options: ConnectOptions) -> Any:
        return _Broker(await connect(options), trigger)

    executor.connect = connect_with_trigger
    sys.argv[1:] = [settings]
    executor.main()


if __name__ == "__main__":
    main()
