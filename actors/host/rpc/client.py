"""Generated client interfaces: their functions are calls of another component's workers.

A client interface (see `wit.client`) has a resource for each interface and each resource that the
target exports, and for the functions of its world. What a function of it means follows from its
name and from what the target exports:

| function | does |
|---|---|
| constructor, `custom` | names a worker; for a resource, creates it there |
| `blocking-f` | calls and waits; traps if there is no result, since it has no room for an error |
| `f` | calls in the background, or without waiting if there is no result |
| `schedule-f` | calls later |
| `subscribe`, `get` of a future | waits for a result, and observes it |

A resource in another worker is a URN there and here. It is no state of this instance: the handle
that a guest holds comes back with the replay of the call that created it.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeAlias, final

import msgspec
from msgspec import Raw, Struct, UnsetType

from actors.engine.errors import GuestTrap
from actors.engine.port import HostCall
from actors.host.context import Answered, HostContext, Refused
from actors.host.pollable import Pollable
from actors.host.rpc.target import CancellationToken, FutureAnswer, Target
from actors.host.rpc.urn import parse_urn
from actors.host.saving import saveable_struct
from wit.json_values import JsonCodec
from wit.names import full_name, is_hidden_function, is_hidden_interface
from wit.types import FunctionType, OptionType, ResourceName, Type
from wit.values import Value, some
from wit.world import Function, Interface, World

__all__ = ["ClientInterface", "RemoteObject"]

Run: TypeAlias = Callable[..., Any]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_VERSION: Final = re.compile(r"@[^{]*(?=\.\{)")


@saveable_struct("rpc/remote-object")
@final
class RemoteObject(Struct, frozen=True):
    """What a handle of a client resource stands for: a worker, or a resource inside of it."""

    target: Target
    urn: str | None = None


@final
class _Handles:
    """Remote resources by URN, in values that go to their worker or come from it."""

    def __init__(self, component: str) -> None:
        self._component = component

    def urn_of(self, handle: object, resource: ResourceName) -> str:
        if not isinstance(handle, RemoteObject) or handle.urn is None:
            raise ValueError(f"the {resource.name} is no resource of another worker")
        return handle.urn

    def handle_of(self, urn: str, resource: ResourceName, *, borrowed: bool) -> RemoteObject:
        del resource, borrowed
        return RemoteObject(Target(self._component, parse_urn(urn).worker), urn)


@final
class _Remote:
    """A function of the target, as the client calls it."""

    def __init__(self, function: Function) -> None:
        # Without its version, so that a target of a newer version answers, too.
        self.name = _VERSION.sub("", full_name(function))
        self.takes_self = function.name.startswith("[method]")


@final
class ClientInterface:
    """The implementation of one imported client interface by a component that exports `world`."""

    def __init__(self, interface: Interface, component: str, world: World) -> None:
        self._name = interface.name
        self._component = component
        self._handles = _Handles(component)
        self._interfaces: dict[str, Interface] = {}
        self._resources: dict[str, Interface] = {}
        for each in world.export_interfaces:
            if not is_hidden_interface(each):
                self._interfaces[_short(each.name)] = each
                self._resources.update(dict.fromkeys(each.resources, each))
        self._world = world
        self._drops: dict[str, Callable[[Any, Any], None]] = {
            name: self._drop_call(name) for name in interface.resources if name in self._resources
        }

    def function(self, interface: str | None, name: str, type_: FunctionType) -> HostCall | None:
        """Return the implementation of a function of the interface, None if there is none."""
        if interface != self._name:
            return None
        kind, _, rest = name[1:].partition("]")
        resource, _, method = rest.partition(".")
        if kind == "constructor" or (kind, method) == ("static", "custom"):
            return self._constructor(name, resource, type_)
        if kind != "method":
            return None
        if method in {"subscribe", "get"} and resource.startswith("future-"):
            return self._future(name, method, type_)
        return self._method(name, resource, method, type_)

    def drop(self, resource: ResourceName) -> Callable[[Any, Any], None] | None:
        """Return what happens when the guest drops a handle."""
        if resource.interface != self._name:
            return None
        found: Callable[[Any, Any], None] = self._drops.get(resource.name, _forget)
        return found

    def _constructor(self, name: str, resource: str, type_: FunctionType) -> HostCall:
        parameters = [each.type for each in type_.parameters]
        is_custom = name.startswith("[static]")
        named = bool(parameters) and (is_custom or type_.parameters[0].name == "worker-name")
        codecs = [self._codec(each) for each in parameters[1 if named else 0 :]]

        def target_of(arguments: tuple[Any, ...]) -> Target:
            if not named:
                return Target(self._component)
            return _custom(arguments[0]) if is_custom else Target(self._component, arguments[0])

        new = self._members(resource).get("constructor") if resource in self._resources else None
        if new is None:

            def name_worker(context: HostContext, *arguments: Any) -> RemoteObject:
                del context
                return RemoteObject(target_of(arguments))

            return HostCall(run=name_worker)
        remote, place = _Remote(new), f"{self._name}#{name}"

        async def create(context: HostContext, *arguments: Any) -> RemoteObject:
            target = target_of(arguments)
            params = _params(codecs, arguments[1 if named else 0 :])
            request = target.request(remote.name, params, blocks=True)
            answered = await _wait(context, place, request)
            urn = _decode(_result(place, answered))
            return RemoteObject(Target(target.component, parse_urn(urn).worker), urn)

        return HostCall(run=create, blocking=True)

    def _method(
        self, name: str, resource: str, method: str, type_: FunctionType
    ) -> HostCall | None:
        members = self._members(resource)
        place = f"{self._name}#{name}"
        for prefix, make in (("blocking-", self._waiting), ("schedule-", self._later)):
            function = members.get(method.removeprefix(prefix))
            if method.startswith(prefix) and function is not None:
                return HostCall(run=make(place, _Remote(function), type_), blocking=True)
        function = members.get(method)
        if function is None:
            return None
        begin = self._telling if type_.result is None else self._beginning
        return HostCall(run=begin(place, _Remote(function), type_), blocking=True)

    def _waiting(self, place: str, remote: _Remote, type_: FunctionType) -> Run:
        params = self._encoder(remote, type_)
        result = None if type_.result is None else self._codec(type_.result)

        async def call(context: HostContext, this: RemoteObject, *arguments: Any) -> Value:
            request = this.target.request(remote.name, params(this, arguments), blocks=True)
            answered = await _wait(context, place, request)
            raw = _result(place, answered)
            return None if result is None else result.from_json(_decode(raw))

        return call

    def _beginning(self, place: str, remote: _Remote, type_: FunctionType) -> Run:
        params = self._encoder(remote, type_)

        async def begin(context: HostContext, this: RemoteObject, *arguments: Any) -> FutureAnswer:
            request = this.target.request(remote.name, params(this, arguments))
            return FutureAnswer(place, await context.call(place, request))

        return begin

    def _telling(self, place: str, remote: _Remote, type_: FunctionType) -> Run:
        params = self._encoder(remote, type_)

        async def tell(context: HostContext, this: RemoteObject, *arguments: Any) -> None:
            request = this.target.request(remote.name, params(this, arguments), awaits=False)
            asked = await context.call(place, request)
            if isinstance(asked, Refused):
                _fail(place, asked)

        return tell

    def _later(self, place: str, remote: _Remote, type_: FunctionType) -> Run:
        without_time = FunctionType(type_.parameters[:-1], type_.result)
        params = self._encoder(remote, without_time)

        async def schedule(
            context: HostContext, this: RemoteObject, *arguments: Any
        ) -> CancellationToken:
            *given, when = arguments
            run_at_ms = when["seconds"] * 1_000 + -(-when["nanoseconds"] // 1_000_000)
            request = this.target.request(
                remote.name, params(this, given), awaits=False, run_at_ms=run_at_ms
            )
            asked = await context.call(place, request)
            if isinstance(asked, Refused):
                _fail(place, asked)
            return CancellationToken(this.target, asked)

        return schedule

    def _future(self, name: str, method: str, type_: FunctionType) -> HostCall:
        place = f"{self._name}#{name}"
        if method == "subscribe":

            def subscribe(context: HostContext, future: FutureAnswer) -> Pollable:
                del context
                return future.subscribe()

            return HostCall(run=subscribe)
        assert isinstance(type_.result, OptionType)
        codec = self._codec(type_.result.some)

        async def get(context: HostContext, future: FutureAnswer) -> Value:
            answered = await future.get(context)
            if answered is None:
                return None
            return some(codec.from_json(_decode(_result(place, answered))))

        return HostCall(run=get, blocking=True)

    def _members(self, resource: str) -> Mapping[str, Function]:
        """Return what the target exports behind a resource of the client, by plain name."""
        if resource in self._resources:
            found: dict[str, Function] = {}
            for function in self._resources[resource].functions:
                kind, _, rest = function.name[1:].partition("]")
                owner, _, name = rest.partition(".")
                if function.name.startswith("[") and owner == resource:
                    found[name if kind != "constructor" else "constructor"] = function
            return found
        if resource in self._interfaces:
            functions = self._interfaces[resource].functions
            return {each.name: each for each in functions if not each.name.startswith("[")}
        functions = self._world.export_functions
        return {each.name: each for each in functions if not is_hidden_function(each.name)}

    def _encoder(self, remote: _Remote, type_: FunctionType) -> Callable[[RemoteObject, Any], Raw]:
        codecs = [self._codec(each.type) for each in type_.parameters[1:]]

        def encode(this: RemoteObject, arguments: Any) -> Raw:
            first = [this.urn] if remote.takes_self else []
            return _params(codecs, arguments, first)

        return encode

    def _drop_call(self, resource: str) -> Callable[[Any, Any], None]:
        interface = self._resources[resource].name.partition("@")[0]
        function, place = f"{interface}.{{{resource}.drop}}", f"{self._name}#[drop]{resource}"

        def drop(context: HostContext, handle: RemoteObject) -> None:
            if handle.urn is not None:
                params = Raw(_encode([handle.urn]))
                context.tell(place, handle.target.request(function, params, awaits=False))

        return drop

    def _codec(self, type_: Type) -> JsonCodec:
        return JsonCodec(type_, self._handles)


def _short(interface: str) -> str:
    return interface.partition("@")[0].rpartition("/")[2]


def _forget(context: HostContext, handle: Any) -> None:
    if isinstance(handle, FutureAnswer):
        handle.close(context)


def _custom(identity: Value) -> Target:
    component = identity.get("component-id", identity)
    bits = component["uuid"]
    number = (bits["high-bits"] << 64) | bits["low-bits"]
    return Target(uuid.UUID(int=number), identity.get("worker-name"))


def _params(codecs: list[JsonCodec], arguments: Any, first: list[Any] | None = None) -> Raw:
    values = [codec.to_json(each) for codec, each in zip(codecs, arguments, strict=True)]
    return Raw(_encode([*(first or ()), *values]))


async def _wait(context: HostContext, place: str, request: Any) -> Answered:
    asked = await context.call(place, request)
    if isinstance(asked, Refused):
        return Answered(error=asked)
    return await context.wait_and_take_answer(f"{place}.answer", asked)


def _result(place: str, answered: Answered) -> Raw:
    if answered.error is not None:
        _fail(place, answered.error)
    return Raw(b"null") if isinstance(answered.result, UnsetType) else answered.result


def _fail(place: str, refused: Refused) -> NoReturn:
    raise GuestTrap(f"{place}: {refused.kind}: {refused.message}", kind="remote")
