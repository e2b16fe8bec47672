"""What the typed clients of other components stand on: `shem_clients` is made from their WIT.

from shem_clients.counter import Counter

counter = Counter("alice")            # a worker of the component, by its name
counter.add(5)                        # calls and waits
future = counter.add_async(5)         # calls and goes on
future.get(timeout=2.5)               # waits for the answer, or raises TimeoutError
counter.schedule_add(5, at=moment)    # calls at a time; what it returns has cancel()
"""
# pyright: basic
# It stands between generated modules that exist in guests alone.

import importlib
from datetime import datetime
from typing import Any, Generic, TypeVar

__all__ = ["Client", "Future", "types_of"]

Answer = TypeVar("Answer")


def _imported(*names: str) -> Any:
    # When the guest is built: afterwards there is nothing to import from.
    for name in names:
        try:
            return importlib.import_module(f"wit_world.imports.{name}")
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError(f"the world of this component does not import {names[0]}")


# The bindings qualify a name that another package has too.
_poll = _imported("poll", "wasi_io_poll")
_clock = _imported("monotonic_clock", "wasi_clocks_monotonic_clock")


class Future(Generic[Answer]):
    """An answer that comes later."""

    def __init__(self, future: Any) -> None:
        self._future = future

    def done(self) -> bool:
        """Whether `get` would return at once."""
        return bool(self._future.subscribe().ready())

    def get(self, timeout: float | None = None) -> Answer:
        """Wait for the answer, for days if need be: the worker leaves memory meanwhile.

        Raises `TimeoutError` after `timeout` seconds; the call goes on, and may be waited for
        again.
        """
        if timeout is None:
            self._future.subscribe().block()
        elif not self._comes_within(timeout):
            raise TimeoutError(f"no answer within {timeout} s")
        answer: Answer = self._future.get()
        return answer

    def _comes_within(self, seconds: float) -> bool:
        with (
            _clock.subscribe_duration(max(0, round(seconds * 1e9))) as timer,
            self._future.subscribe() as answer,
        ):
            return 0 in _poll.poll([answer, timer])


class Client:
    """Calls of one interface, or of one resource, of a worker of another component."""

    def __init__(self, remote: Any, types: Any) -> None:
        self._remote = remote
        self._types = types

    def _moment(self, at: datetime) -> Any:
        seconds, fraction = divmod(at.timestamp(), 1)
        return self._types.Datetime(int(seconds), round(fraction * 1e6) * 1_000)


class types_of:  # noqa: N801 - used like a function
    """All classes that the bindings of a client refer to, whatever module they stand in."""

    def __init__(self, client: Any) -> None:
        imported = (each for each in vars(client).values() if type(each) is type(client))
        self._modules = [client, *imported]

    def __getattr__(self, name: str) -> Any:
        for module in self._modules:
            if hasattr(module, name):
                return getattr(module, name)
        raise AttributeError(name)
