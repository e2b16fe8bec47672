"""Reading a management request from its ASGI events, and answering it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, unquote

import msgspec

from gateway.errors import RequestError
from gateway.rest.operation import JSON, AnyCall, No, Operation
from gateway.texts import header_text

__all__ = ["GoneError", "Receive", "Scope", "Send", "call_of", "headers_of", "segments_of"]

# The protocol's own types: dictionaries of whatever the message needs.
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

QUERY_FIELDS_MAX: Final = 100
# Between two pieces of a body.
PIECE_TIMEOUT_S: Final = 30.0
_CLOSE: Final = (("connection", "close"),)


class GoneError(Exception):
    """The client is gone: terminal, nobody waits for an answer."""


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers by their names in lower case; repeated ones joined by commas."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), header_text(value)
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def segments_of(raw: bytes) -> list[str]:
    """Return the segments of a path, decoded one by one so that `%2F` stays inside its segment.

    Raises:
        RequestError: 400, it is no UTF-8.
    """
    try:
        parts = raw.decode("ascii").removeprefix("/").split("/")
        return [unquote(part, errors="strict") for part in parts]
    except UnicodeDecodeError as error:
        raise RequestError(400, "bad-request", f"the path is no UTF-8: {error}") from error


async def call_of(
    each: Operation, variables: Mapping[str, str], scope: Scope, receive: Receive, base: str
) -> AnyCall:
    """Return a request in the types of its operation.

    Raises:
        RequestError: it does not fit, with the place.
        GoneError: the client left before it was complete.
    """
    headers = headers_of(scope)
    return AnyCall(
        path=_converted(variables, each.path_type, "path"),
        query=_converted(_query(scope["query_string"], each.query_type), each.query_type, "query"),
        body=await _body(each, headers, receive),
        headers=headers,
        base=base,
    )


def _converted(values: Mapping[str, object], type_: Any, place: str) -> Any:
    try:
        return msgspec.convert(values, type_, strict=False)
    except msgspec.ValidationError as error:
        raise RequestError(400, "bad-request", f"{place}: {error}") from error


def _query(raw: bytes, type_: Any) -> Mapping[str, object]:
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=QUERY_FIELDS_MAX,
        )
    except ValueError as error:
        raise RequestError(400, "bad-request", f"query: {error}") from error
    lists = {
        field.encode_name
        for field in msgspec.structs.fields(type_)
        if "tuple" in str(field.type) or "list" in str(field.type)
    }
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    for name, values in found.items():
        if len(values) > 1 and name not in lists:
            raise RequestError(400, "bad-request", f"query: {name} stands there several times")
    return {name: values if name in lists else values[0] for name, values in found.items()}


async def _body(each: Operation, headers: Mapping[str, str], receive: Receive) -> Any:
    data = await _read(headers, receive, each.body_bytes_max)
    if each.body_type is No:
        if data.strip():
            raise RequestError(400, "bad-request", "body: none is expected")
        return No()
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != each.consumes:
        detail = f"expected a body of type {each.consumes}, got {kind or 'none'}"
        raise RequestError(415, "unsupported-media-type", detail)
    if each.consumes != JSON:
        return data
    try:
        try:
            return msgspec.json.decode(data, type=each.body_type)
        except msgspec.ValidationError as error:
            return _with_whole_numbers(data, each.body_type, error)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(400, "bad-request", f"body: {error}") from error


def _with_whole_numbers(data: bytes, type_: Any, error: msgspec.ValidationError) -> Any:
    """Decode what did not fit again: to a JSON Schema 5.0 is an integer, to the decoder it is not.

    Raises:
        ValidationError: `error`, if it is not because of that.
    """
    plain = msgspec.json.decode(data)
    try:
        return msgspec.json.decode(msgspec.json.encode(_whole(plain)), type=type_)
    except msgspec.ValidationError:
        raise error from None


def _whole(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [_whole(item) for item in value]  # pyright: ignore[reportUnknownVariableType] - any JSON
        case dict():
            return {name: _whole(item) for name, item in value.items()}  # pyright: ignore[reportUnknownVariableType] - any JSON
        case _:
            return value


async def _read(headers: Mapping[str, str], receive: Receive, limit: int) -> bytes:
    declared = headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    while True:
        event = await _piece(receive)
        if event["type"] == "http.disconnect":
            raise GoneError
        part = event.get("body", b"")
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
        if not event.get("more_body", False):
            return b"".join(parts)


async def _piece(receive: Receive) -> MutableMapping[str, Any]:
    try:
        async with asyncio.timeout(PIECE_TIMEOUT_S):
            return await receive()
    except TimeoutError:
        detail = f"no piece of the body came within {PIECE_TIMEOUT_S:g} s"
        raise RequestError(408, "request-timeout", detail, _CLOSE) from None


def _too_large(limit: int) -> RequestError:
    detail = f"the body has more than {limit} bytes"
    return RequestError(413, "content-too-large", detail, _CLOSE)
