"""From the value of a program to an HTTP response."""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from gateway.errors import RequestError
from wit.json_readers import INTEGER_RANGES
from wit.json_values import encode_json
from wit.types import ListType, OptionType, Primitive, RecordType, Type
from wit.values import Value
from wit.wave import format_value

__all__ = ["Response", "check_response", "respond"]

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PARTS: Final = frozenset({"status", "headers", "body"})
# Statuses that have no body.
_BARE: Final = frozenset({204, 304})


class Response(Struct, frozen=True):
    """Status, headers and body, ready to be sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def check_response(type_: Type | None) -> str:
    """Return why no response can be made of a type, empty if one can."""
    parts = _parts(type_)
    if parts is None:
        return ""
    status = parts.get("status")
    if status is not None and not _is_integer(status):
        return "`status` must be an integer"
    headers = parts.get("headers")
    if headers is not None and not isinstance(headers, RecordType):
        return "`headers` must be a record"
    return ""


def respond(value: Value, type_: Type | None, accept: str) -> Response:
    """Return the response that a program's value says.

    A record of nothing but `status`, `headers` and `body` says all of it; any other value is the
    body. No value is an empty 200.

    Raises:
        RequestError: 500, it says an impossible response; 406, the client takes no such body.
    """
    if type_ is None:
        return Response(200, (), b"")
    parts = _parts(type_)
    if parts is None:
        headers, body = _body(value, type_, accept, {})
        return Response(200, headers, body)
    status = int(value["status"]) if "status" in parts else 200
    if not 200 <= status <= 599:
        raise RequestError(500, "bad-response", f"the program answers with status {status}")
    given = _headers(value["headers"], parts["headers"]) if "headers" in parts else {}
    if "body" not in parts or status in _BARE:
        return Response(status, tuple(given.items()), b"")
    headers, body = _body(value["body"], parts["body"], accept, given)
    return Response(status, headers, body)


def _parts(type_: Type | None) -> dict[str, Type] | None:
    if not isinstance(type_, RecordType):
        return None
    fields = {field.name: field.type for field in type_.fields}
    return fields if fields and fields.keys() <= _PARTS else None


def _is_integer(type_: Type) -> bool:
    return type_ in INTEGER_RANGES


def _headers(value: Mapping[str, Value], type_: Type) -> dict[str, str]:
    assert isinstance(type_, RecordType)
    found: dict[str, str] = {}
    for field in type_.fields:
        each, kind = value[field.name], field.type
        if isinstance(kind, OptionType):
            if each is None:
                continue
            each, kind = each[0], kind.some
        text = each if kind is Primitive.STRING else format_value(each, kind)
        if _TOKEN.fullmatch(field.name) is None or not text.isprintable() or not text.isascii():
            detail = f"the program answers with a header {field.name}: {text!r}"
            raise RequestError(500, "bad-response", detail)
        found[field.name.lower()] = text
    return found


def _body(
    value: Value, type_: Type, accept: str, given: dict[str, str]
) -> tuple[tuple[tuple[str, str], ...], bytes]:
    kind = given.get("content-type", "")
    is_text = type_ is Primitive.STRING
    is_bytes = type_ == ListType(Primitive.U8)
    if not kind:
        kind = _negotiated(accept, is_text=is_text, is_bytes=is_bytes)
    headers = {**given, "content-type": kind}
    plain = kind.partition(";")[0].strip()
    if is_text and not (plain == "application/json" or plain.endswith("+json")):
        return tuple(headers.items()), value.encode()
    if is_bytes and plain != "application/json":
        return tuple(headers.items()), value
    return tuple(headers.items()), encode_json(value, type_)


def _negotiated(accept: str, *, is_text: bool, is_bytes: bool) -> str:
    offered = ["application/json"]
    if is_text:
        offered.append("text/plain; charset=utf-8")
    if is_bytes:
        offered.insert(0, "application/octet-stream")
    wanted = _accepted(accept)
    best = max(
        offered, key=lambda each: _quality(wanted, each.partition(";")[0]), default=offered[0]
    )
    if _quality(wanted, best.partition(";")[0]) <= 0:
        detail = f"the response is {' or '.join(offered)}, the client accepts {accept}"
        raise RequestError(406, "not-acceptable", detail)
    return best


def _accepted(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (each.strip().lower() for each in part.split(";"))
        if kind:
            quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
            found[kind] = float(quality) if re.fullmatch(r"[01](\.\d{0,3})?", quality) else 1.0
    return found or {"*/*": 1.0}


def _quality(wanted: Mapping[str, float], kind: str) -> float:
    family = f"{kind.partition('/')[0]}/*"
    return wanted.get(kind, wanted.get(family, wanted.get("*/*", 0.0)))
