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

from actors.enclosed import enclosure_prefix
from actors.engine.port import Instance
from actors.host.context import HostContext
from actors.host.http.bodies import OutgoingBody
from actors.host.http.errors import ERROR_CODE, HttpError, simple
from actors.host.http.fields import FieldList, is_well_formed
from actors.host.http.messages import IncomingRequest, ResponseOutparam
from actors.host.http.stored import AnswerBodies, answer_bodies
from actors.host.wasi.cli_stdio import give_input
from actors.stored_bodies import PIECE_BYTES, STORED_BODY, StoredBody
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

__all__ = ["Run", "left_out_of", "run_of", "shortened", "with_virtual_exports"]

Run: TypeAlias = Callable[[Instance, HostContext, Function, Sequence[Value]], Awaitable[Value]]

_BODY_AT: Final = "body-at"
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
        # In place of `body`, where it lies in the object store.
        Field("body-at", OptionType(STORED_BODY)),
        # Whether the body of the response may lie there, too, if it is large.
        Field("stores-body", OptionType(Primitive.BOOL)),
    )
)
_RESPONSE: Final = RecordType(
    (
        Field("status", Primitive.U16),
        Field("headers", _FIELDS),
        Field("body", _BYTES),
        Field("trailers", _FIELDS),
        Field(_BODY_AT, OptionType(STORED_BODY)),
    )
)
_METHODS: Final = frozenset(
    {"get", "head", "post", "put", "delete", "connect", "options", "trace", "patch"}
)


class _Virtual(Struct, frozen=True):
    type: FunctionType
    run: Run
    # The part of a result that is left out of its JSON if there is none, as older logs do.
    left_out: str | None = None


async def _handle(
    instance: Instance, context: HostContext, function: Function, arguments: Sequence[Value]
) -> Value:
    (given,) = arguments
    try:
        request = _request(given, enclosure_prefix(context.component, context.worker))
    except HttpError as error:
        return err(error.code)
    outparam = ResponseOutparam()
    may_store = given["stores-body"] == some(True) and context.answer_place is not None
    answer_bodies(context, AnswerBodies(context) if may_store else None)
    try:
        await instance.call(function, [request, outparam])
    finally:
        answer_bodies(context, None)
    try:
        response = outparam.response()
    except HttpError as error:
        return err(error.code)
    data, stored = await _answered(response.body)
    if response.body is not None:
        response.body.over(context)
    return ok(
        {
            "status": response.status,
            "headers": _shown(response.headers),
            "body": data,
            "trailers": _shown(response.trailers),
            _BODY_AT: None if stored is None else some(stored.value),
        }
    )


async def _answered(body: OutgoingBody | None) -> tuple[bytes, StoredBody | None]:
    if body is None:
        return b"", None
    if body.spool is None:
        return bytes(body.data), None
    writer = body.spool.writer
    return (b"", await writer.finish()) if writer.has_stored else (bytes(writer.held), None)


async def _run(
    instance: Instance, context: HostContext, function: Function, arguments: Sequence[Value]
) -> Value:
    (given,) = arguments
    give_input(context, b"" if given is None else given[0])
    return await instance.call(function, [])


def _request(given: Value, prefix: str) -> IncomingRequest:
    method = given["method"].lower()
    scheme = given["scheme"]
    return IncomingRequest(
        method=(method, None) if method in _METHODS else ("other", given["method"]),
        path=_plain(given["path-with-query"]),
        scheme=None if scheme is None else some(_scheme(scheme[0])),
        authority=_plain(given["authority"]),
        headers=_fields(given["headers"]),
        body=_body(given, prefix),
        trailers=_fields(given["trailers"]),
    )


def _body(given: Value, prefix: str) -> bytes | StoredBody:
    at = given[_BODY_AT]
    if at is None:
        return b"" if given["body"] is None else bytes(given["body"][0])
    stored = StoredBody.of(at[0])
    # Whoever may invoke must not read by a guest what lies there for another worker.
    if not stored.name.startswith(prefix) or stored.piece_bytes not in range(1, PIECE_BYTES + 1):
        raise simple("HTTP-request-denied")
    return stored


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
        FunctionType((Parameter("request", _REQUEST),), ResultType(_RESPONSE, ERROR_CODE)),
        _handle,
        left_out=_BODY_AT,
    ),
    ("wasi:cli/run", "run"): _Virtual(
        FunctionType((Parameter("stdin", OptionType(_BYTES)),), ResultType(None, None)), _run
    ),
}


def _virtual(function: Function) -> _Virtual | None:
    interface = (function.interface or "").partition("@")[0]
    return _VIRTUAL.get((interface, function.name))


def run_of(function: Function) -> Run | None:
    """Return how a function of a world with virtual exports is called; None: as it stands there."""
    found = _virtual(function)
    return None if found is None else found.run


def left_out_of(function: Function) -> str | None:
    """Return the part of a successful result that its JSON lacks if it is none.

    Logs of earlier versions do not have it.
    """
    found = _virtual(function)
    return None if found is None else found.left_out


def shortened(result: Any, left_out: str) -> Any:
    """Return a result, as JSON, without that part if it is none."""
    answer = result.get("ok")
    if answer is not None and answer[left_out] is None:
        del answer[left_out]
    return result


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
