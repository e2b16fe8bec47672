"""The port through which programs call workers, and what they say through it.

Owns the names of things outside: workers, resources inside them, the position of a call. Knows
nothing of how a call travels.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from wit.names import base_name
from wit.types import Parameter
from wit.values import Value
from wit.wave import format_value
from wit.world import Function

__all__ = ["NO_WORKERS", "Port", "Resource", "ResourceDrop", "Worker", "WorkerCall"]


class Worker(Struct, frozen=True):
    """A worker as a program names it.

    Without a name, `ordinal` tells several apart: it counts the instances that the run made, so a
    repeated run makes the same ones. With a name it is -1.
    """

    name: str | None
    ordinal: int = -1


class Resource(Struct, frozen=True):
    """A resource inside a worker: the same constructor parameters mean the same resource."""

    component: str
    worker: Worker
    constructor: Function
    arguments: tuple[Value, ...]


class WorkerCall(Struct, frozen=True):
    """One call of a worker's function.

    `position` counts the calls and drops of a run from 0, so that a key derived from it is the
    same when the run is repeated. For a method, `resource` is set, or `handle` if the worker itself
    returned what the method is called on; `worker` is None then. `arguments` do not contain it.
    """

    position: int
    component: str
    worker: Worker | None
    function: Function
    arguments: tuple[Value, ...]
    resource: Resource | None = None
    handle: Value = None

    def name(self) -> str:
        """Return the function in full: `ns:pkg/iface.{fn}`, `ns:pkg/iface.{res("p").method}`."""
        inner = base_name(self.function)
        if self.resource is not None:
            _, _, method = inner.rpartition(".")
            inner = f"{_constructor_text(self.resource)}.{method}"
        interface = self.function.interface
        return f"{{{inner}}}" if interface is None else f"{interface}.{{{inner}}}"


class ResourceDrop(Struct, frozen=True):
    """The explicit end of a resource, or of a handle that a worker returned."""

    position: int
    resource: Resource | None
    handle: Value = None

    def name(self) -> str:
        """Return the drop in full: `ns:pkg/iface.{res("p").drop}`."""
        if self.resource is None:
            return "{drop}"
        interface = self.resource.constructor.interface
        inner = f"{{{_constructor_text(self.resource)}.drop}}"
        return inner if interface is None else f"{interface}.{inner}"


def _constructor_text(resource: Resource) -> str:
    function = resource.constructor
    name = base_name(function).removesuffix(".new")
    return f"{name}({_arguments_text(resource.arguments, function.type.parameters)})"


def _arguments_text(arguments: Sequence[Value], parameters: Sequence[Parameter]) -> str:
    return ", ".join(
        format_value(value, parameter.type)
        for value, parameter in zip(arguments, parameters, strict=True)
    )


class Port(Protocol):
    """How workers are reached."""

    async def call(self, call: WorkerCall, /) -> Value:
        """Call and return the result in the function's result type, None if it has none.

        Raises:
            CallError: the call failed for good; the program fails with its message.
        """
        ...

    async def drop(self, drop: ResourceDrop, /) -> None:
        """End a resource. Errors as for `call`."""
        ...


class _NoWorkers:
    """For programs that call nothing."""

    async def call(self, call: WorkerCall, /) -> Value:
        raise AssertionError(f"a program without workers called {call.name()}")

    async def drop(self, drop: ResourceDrop, /) -> None:
        raise AssertionError(f"a program without workers dropped {drop.name()}")


NO_WORKERS: Port = _NoWorkers()
