"""Looking up names: the answer is recorded once, and the same for ever."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Callable
from typing import Final, final

from actors.host.context import HostContext
from actors.host.interface import Kind
from actors.host.pollable import Always, Pollable
from actors.host.saving import StateKey, refuses
from actors.host.sockets.addresses import code_of, ip_to_wit
from actors.host.sockets.limits import LOOKUPS_MAX, NAME_BYTES_MAX
from actors.host.sockets.live import hold
from actors.host.sockets.ready import SocketReady
from wit.types import ListType, Primitive, ResultType
from wit.values import Value, err, ok, some

__all__ = ["AddressStream", "count_lookup", "is_name"]

_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_ANSWER: Final = ResultType(ListType(Primitive.STRING), Primitive.STRING)
_LOOKUPS: Final = StateKey("sockets/lookups", is_transient=True)
_CALL: Final = "wasi:sockets/ip-name-lookup#resolve-addresses"


def is_name(text: str) -> bool:
    """Tell whether it can be looked up: a host name, or an address."""
    if len(text.encode()) > NAME_BYTES_MAX:
        return False
    return _literal(text) is not None or bool(_NAME.fullmatch(text))


def count_lookup(context: HostContext, change: int) -> bool:
    """Count names that are looked up; False: there are too many."""
    count: int = context.state.get(_LOOKUPS, 0)
    if count + change > LOOKUPS_MAX:
        return False
    context.state[_LOOKUPS] = count + change
    return True


@refuses("a name is being looked up")
@final
class AddressStream:
    """The resource `resolve-address-stream`."""

    def __init__(self, name: str) -> None:
        self.on_end: Callable[[], None] = lambda: None
        self._name = name
        literal = _literal(name)
        self._addresses: list[str] | None = None if literal is None else [literal]
        self._error: str | None = None
        self._task: asyncio.Task[Value] | None = None

    def next(self, context: HostContext) -> Value:
        """Return the next address, none at the end."""
        if self._error is not None:
            return err(self._error)
        if self._addresses is None:
            case, told = context.record(
                _CALL, Kind.READ_REMOTE, _ANSWER, lambda: self._look(context)
            )
            if case == "err":
                if told != "would-block":
                    self._error = told
                return err(told)
            self._addresses = list(told)
        if not self._addresses:
            return ok(None)
        return ok(some(ip_to_wit(self._addresses.pop(0))))

    def subscribe(self, context: HostContext) -> Pollable:
        """Return what becomes ready with the answer."""
        if self._addresses is not None:
            return Always()
        return SocketReady(
            lambda: self._running(context).done(),
            lambda: asyncio.wait({self._running(context)}),
        )

    def close(self, context: HostContext) -> None:
        """The guest dropped it."""
        count_lookup(context, -1)
        self.abort()

    def abort(self) -> None:
        """Ask no longer. Idempotent."""
        if self._task is not None:
            self._task.cancel()

    def _running(self, context: HostContext) -> "asyncio.Task[Value]":
        if self._task is None:
            self._task = asyncio.create_task(self._lookup(), name=f"look up {self._name}")
            hold(context, self)
            self._task.add_done_callback(lambda _: self.on_end())
        return self._task

    def _look(self, context: HostContext) -> Value:
        task = self._running(context)
        return task.result() if task.done() else err("would-block")

    async def _lookup(self) -> Value:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            return err(code_of(error))
        return ok(list(dict.fromkeys(str(one[4][0]) for one in found)))


def _literal(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        return None
