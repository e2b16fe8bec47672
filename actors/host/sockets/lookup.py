"""Looking up names: the answer is recorded once, and the same for ever."""

import asyncio
import ipaddress
import re
import socket
from typing import Final, final

from actors.host.context import HostContext
from actors.host.interface import Kind
from actors.host.pollable import Always, Pollable
from actors.host.saving import refuses
from actors.host.sockets.addresses import code_of, ip_to_wit
from actors.host.sockets.limits import NAME_BYTES_MAX
from actors.host.sockets.tcp import SocketReady
from wit.types import ListType, Primitive, ResultType
from wit.values import Value, err, ok, some

__all__ = ["AddressStream", "is_name"]

_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_ANSWER: Final = ResultType(ListType(Primitive.STRING), Primitive.STRING)
_CALL: Final = "wasi:sockets/ip-name-lookup#resolve-addresses"


def is_name(text: str) -> bool:
    """Tell whether it can be looked up: a host name, or an address."""
    if len(text.encode()) > NAME_BYTES_MAX:
        return False
    return _literal(text) is not None or bool(_NAME.fullmatch(text))


@refuses("a name is being looked up")
@final
class AddressStream:
    """The resource `resolve-address-stream`."""

    def __init__(self, name: str) -> None:
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
            case, told = context.record(_CALL, Kind.READ_REMOTE, _ANSWER, self._look)
            if case == "err":
                if told != "would-block":
                    self._error = told
                return err(told)
            self._addresses = list(told)
        if not self._addresses:
            return ok(None)
        return ok(some(ip_to_wit(self._addresses.pop(0))))

    def subscribe(self) -> Pollable:
        """Return what becomes ready with the answer."""
        if self._addresses is not None:
            return Always()
        return SocketReady(lambda: self._running().done(), self._wait)

    def close(self) -> None:
        """The guest dropped it."""
        if self._task is not None:
            self._task.cancel()

    async def _wait(self) -> None:
        await asyncio.wait({self._running()})

    def _running(self) -> "asyncio.Task[Value]":
        if self._task is None:
            self._task = asyncio.create_task(self._lookup(), name=f"look up {self._name}")
        return self._task

    def _look(self) -> Value:
        task = self._running()
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
