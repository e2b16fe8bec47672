"""From an HTTP request to the inputs of a program: every value in the type that Rib inferred."""

from collections.abc import Mapping, Sequence
from typing import Final, final

from gateway.errors import RequestError
from rib import Input
from wit.errors import WitError
from wit.json_values import decode_json
from wit.type_text import type_text
from wit.types import EnumType, ListType, OptionType, Primitive, Type
from wit.values import Value
from wit.wave import parse_value

__all__ = ["Arrived", "bind"]

_JSON: Final = ("application/json", "")
_BOOLEANS: Final = {"true": True, "false": False}


@final
class Arrived:
    """What a request brought: decoded path variables, query, headers, and the raw body."""

    def __init__(
        self,
        path: Mapping[str, str],
        query: Mapping[str, Sequence[str]],
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        """Make one; the names of headers are in lower case."""
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body

    def texts(self, group: str, name: str) -> Sequence[str]:
        """Return the values of a name in `path`, `query` or `headers`."""
        match group:
            case "query":
                return self.query.get(name, ())
            case "path":
                return [self.path[name]] if name in self.path else []
            case _:
                value = self.headers.get(name.lower())
                return () if value is None else [value]


def bind(inputs: Sequence[Input], request: Arrived) -> dict[str, Value]:
    """Return the values of a program's inputs.

    Raises:
        RequestError: 400, one is missing or does not fit, with its name and the expected type.
    """
    return {each.name: _value(each, request) for each in inputs}


def _value(wanted: Input, request: Arrived) -> Value:
    group, _, name = wanted.name.removeprefix("request.").partition(".")
    if group == "body":
        return _body(wanted.type, request)
    texts = request.texts(group, name)
    try:
        return _read_all(texts, wanted.type)
    except _MisfitError as error:
        place = f"{group}.{name}"
        raise RequestError(
            400, "bad-request", f"{place}: expected {type_text(wanted.type)}, {error}"
        ) from error


class _MisfitError(ValueError):
    """A text that does not say a value of the type; terminal, becomes a 400."""


def _read_all(texts: Sequence[str], type_: Type) -> Value:
    match type_:
        case OptionType(some):
            return (_read_all(texts, some),) if texts else None
        case ListType(element) if element is not Primitive.U8:
            return [_read(text, element) for text in texts]
        case _:
            pass
    if not texts:
        raise _MisfitError("it is missing")
    if len(texts) > 1:
        raise _MisfitError(f"it stands there {len(texts)} times")
    return _read(texts[0], type_)


def _read(text: str, type_: Type) -> Value:
    match type_:
        case Primitive.STRING:
            return text
        case Primitive.CHAR if len(text) == 1:
            return text
        case Primitive.BOOL if text in _BOOLEANS:
            return _BOOLEANS[text]
        case EnumType(cases) if text in cases:
            return text
        case _:
            pass
    try:
        return parse_value(text, type_)
    except WitError as error:
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        raise _MisfitError(f"got {shown!r}") from error


def _body(type_: Type, request: Arrived) -> Value:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if isinstance(type_, OptionType) and not request.body:
        return None
    if kind.startswith("text/") and type_ is Primitive.STRING:
        try:
            return request.body.decode()
        except UnicodeDecodeError as error:
            raise RequestError(400, "bad-request", f"body: it is no UTF-8: {error}") from error
    if kind == "application/octet-stream" and type_ == ListType(Primitive.U8):
        return request.body
    if kind not in _JSON and not kind.endswith("+json"):
        detail = f"body: cannot read {kind!r} as {type_text(type_)}; send application/json"
        raise RequestError(415, "unsupported-media-type", detail)
    if not request.body:
        raise RequestError(400, "bad-request", f"body: expected {type_text(type_)}, it is missing")
    try:
        return decode_json(request.body, type_)
    except WitError as error:
        raise RequestError(400, "bad-request", f"body: {error}") from error
