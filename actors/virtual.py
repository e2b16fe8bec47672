"""Exports that take handles of the host, as functions that anybody can call with plain values.

| export | becomes |
|---|---|
| `wasi:http/incoming-handler` `handle` | a function from a request to a response or an error code |
| `wasi:cli/run` `run` | a function of what stands on standard input |

The request is in the invocation, and so in the log; the handles made of it are the same at replay.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct, structs

from actors.engine.port import Instance
from actors.host.context import HostContext
from actors.host.http.errors import ERROR_CODE, HttpError, simple
from actors.host.http.fields import FieldList, is_well_formed
from actors.host.http.messages import IncomingRequest, ResponseOutparam
from actors.host.wasi.cli_stdio import give_input
from wit.types import (
    Field,
    FunctionType,
    ListType,
    OptionType,
    Parameter,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
)
from wit.values import Value, err, ok, some
from wit.world import Function, World

__all__ = ["Run", "run_of", "with_virtual_exports"]

Run: TypeAlias = Callable[[Instance, HostContext, Function, Sequence[Value]], Awaitable[Value]]

_TEXT: Final = Primitive.STRING
_BYTES: Final = ListType(Primitive.U8)
# Values are bytes, shown as Latin-1.
_FIELDS: Final = ListType(TupleType((_TEXT, _TEXT)))
_REQUEST: Final = RecordType(
    (
        Field("method", _TEXT),
        Field("path-with-query", OptionType(_TEXT)),
        Field("scheme", OptionType(_TEXT)),
        Field("authority", OptionType(_TEXT)),
        Field("headers", OptionType(_FIELDS)),
        Field("body", OptionType(_BYTES)),
        Field("trailers", OptionType(_FIELDS)),
    )
)
_RESPONSE: Final = RecordType(
    (
        Field("status", Primitive.U16),
        Field("headers", _FIELDS),
        Field("body", _BYTES),
        Field("trailers", _FIELDS),
    )
)
_METHODS: Final = frozenset(
    {"get", "head", "post", "put", "delete", "connect", "options", "trace", "patch"}
)


class _Virtual(Struct, frozen=True):
    type: FunctionType
    run: Run


async def _handle(
    instance: Instance, context: HostContext, function: Function, arguments: Sequence[Value]
) -> Value:
    del context
    (given,) = arguments
    try:
        request = _request(given)
    except HttpError as error:
        return err(error.code)
    outparam = ResponseOutparam()
    await instance.call(function, [request, outparam])
    try:
        response = outparam.response()
    except HttpError as error:
        return err(error.code)
    return ok(
        {
            "status": response.status,
            "headers": _shown(response.headers),
            "body": response.body,
            "trailers": _shown(response.trailers),
        }
    )


async def _run(
    instance: Instance, context: HostContext, function: Function, arguments: Sequence[Value]
) -> Value:
    (given,) = arguments
    give_input(context, b"" if given is None else given[0])
    return await instance.call(function, [])


def _request(given: Value) -> IncomingRequest:
    method = given["method"].lower()
    scheme = given["scheme"]
    return IncomingRequest(
        method=(method, None) if method in _METHODS else ("other", given["method"]),
        path=_plain(given["path-with-query"]),
        scheme=None if scheme is None else some(_scheme(scheme[0])),
        authority=_plain(given["authority"]),
        headers=_fields(given["headers"]),
        body=b"" if given["body"] is None else given["body"][0],
        trailers=_fields(given["trailers"]),
    )


def _plain(option: Value) -> str | None:
    return None if option is None else str(option[0])


def _scheme(text: str) -> Value:
    known = {"http": "HTTP", "https": "HTTPS"}.get(text.lower())
    return ("other", text) if known is None else (known, None)


def _fields(option: Value) -> FieldList:
    given: list[tuple[str, str]] = [] if option is None else option[0]
    entries = [(name, value.encode("latin-1", "replace")) for name, value in given]
    if not is_well_formed(entries):
        raise simple("HTTP-protocol-error")
    return entries


def _shown(entries: FieldList) -> list[tuple[str, str]]:
    return [(name, value.decode("latin-1")) for name, value in entries]


_VIRTUAL: Final = {
    ("wasi:http/incoming-handler", "handle"): _Virtual(
        FunctionType((Parameter("request", _REQUEST),), ResultType(_RESPONSE, ERROR_CODE)), _handle
    ),
    ("wasi:cli/run", "run"): _Virtual(
        FunctionType((Parameter("stdin", OptionType(_BYTES)),), ResultType(None, None)), _run
    ),
}


def _virtual(function: Function) -> _Virtual | None:
    interface = (function.interface or "").partition("@")[0]
    return _VIRTUAL.get((interface, function.name))


def run_of(function: Function) -> Run:
    """Return how a function of a world with virtual exports is called."""
    found = _virtual(function)
    return _plain_call if found is None else found.run


async def _plain_call(
    instance: Instance, context: HostContext, function: Function, arguments: Sequence[Value]
) -> Any:
    del context
    return await instance.call(function, arguments)


def with_virtual_exports(world: World) -> World:
    """Return a world in which the exports of the table have types without handles."""

    def shown(function: Function) -> Function:
        found = _virtual(function)
        return function if found is None else structs.replace(function, type=found.type)

    interfaces = tuple(
        structs.replace(one, functions=tuple(map(shown, one.functions)))
        for one in world.export_interfaces
    )
    return structs.replace(world, export_interfaces=interfaces)
