"""The functions that a websocket route names: whether they fit, and what they want."""

from collections.abc import Iterator

from actors.clients import CLIENT_RESOURCE
from gateway.clients.records import Target
from gateway.definitions import WebsocketBinding
from wit.errors import WitError
from wit.names import resolve
from wit.signatures import signature
from wit.types import Borrow, Case, FunctionType, ListType, Own, Primitive, Type, VariantType
from wit.world import World

__all__ = ["misfits", "target_of"]

_BYTES = ListType(Primitive.U8)
_MESSAGE = (Case("text", Primitive.STRING), Case("binary", _BYTES))


def misfits(binding: WebsocketBinding, world: World) -> list[str]:
    """Return why clients could not be passed to a component, empty if they can."""
    return list(_misfits(binding, world))


def _misfits(binding: WebsocketBinding, world: World) -> Iterator[str]:
    forms: set[str] = set()
    for place, name, count in (
        ("on-message", binding.on_message, 2),
        ("on-open", binding.on_open, 1),
        ("on-close", binding.on_close, 1),
    ):
        if name is None:
            continue
        try:
            function = resolve(world, name)
        except WitError as error:
            yield f"{place}: {error}"
            continue
        type_ = function.type
        form = _client_form(type_)
        if form is None or len(type_.parameters) != count or (count == 2 and not _form(type_)):
            wanted = "a client and a message" if count == 2 else "a client"
            yield (
                f"{place}: {signature(function)} must take {wanted}: client is the resource of "
                "shem:gateway/clients or a string; message is string, list<u8> or the variant there"
            )
        elif form not in forms and forms:
            yield f"{place}: all functions must take the client alike, as resource or as string"
        if form is not None:
            forms.add(form)


def target_of(binding: WebsocketBinding, world: World) -> Target:
    """Return where the messages of clients go, but for the worker; there must be no misfits."""
    type_ = resolve(world, binding.on_message).type
    return Target(
        component=binding.component,
        worker="",
        on_message=binding.on_message,
        on_open=binding.on_open,
        on_close=binding.on_close,
        message_form=_form(type_) or "string",
        client_form=_client_form(type_) or "handle",
    )


def _client_form(type_: FunctionType) -> str | None:
    if not type_.parameters:
        return None
    match type_.parameters[0].type:
        case Primitive.STRING:
            return "string"
        case Own(resource) | Borrow(resource):
            interface = (getattr(resource, "interface", None) or "").partition("@")[0]
            return "handle" if (interface, resource.name) == CLIENT_RESOURCE else None
        case _:
            return None


def _form(type_: FunctionType) -> str | None:
    message: Type = type_.parameters[1].type
    match message:
        case Primitive.STRING:
            return "string"
        case VariantType(cases=cases) if cases == _MESSAGE:
            return "message"
        case _:
            return "bytes" if message == _BYTES else None
