"""Parameters as JSON: Python values of everyday use on one side, `VALUES.md` on the other."""

import base64
import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import cast

import msgspec

from shem.errors import BadRequestError

__all__ = [
    "Json",
    "checked_payload",
    "encode_call",
    "given_parameters",
    "scheduled_payload",
    "to_json",
]

# Whatever JSON can say; its shape depends on the function's type.
Json = object


def encode_call(function: str, params: Sequence[object] | Mapping[str, object]) -> bytes:
    """Return the JSON form of an invocation.

    Raises:
        BadRequestError: a parameter is nothing that JSON can say, with its place.
    """
    if isinstance(params, Mapping):
        encoded: object = {name: to_json(value, name) for name, value in params.items()}
    else:
        encoded = [to_json(value, f"[{index}]") for index, value in enumerate(params)]
    try:
        return msgspec.json.encode({"function": function, "params": encoded})
    except UnicodeEncodeError as error:
        text = f"a text holds {error.object[error.start]!r}, which is half a character"
        raise BadRequestError(text, kind="bad-parameters") from error


def checked_payload(payload: object) -> bytes:
    """Return a call that is sent as it is.

    Raises:
        BadRequestError: it is no bytes.
    """
    if isinstance(payload, bytes | bytearray):
        return bytes(payload)
    if isinstance(payload, str):
        text = f"payload: expected bytes, got a text: {payload[:80]!r}; send `payload.encode()`"
    else:
        text = (
            "payload: expected a WAVE call or a JSON invocation as bytes, got "
            f"{type(payload).__name__}; `invoke` and `publish` take a function and its parameters"
        )
    raise BadRequestError(text, kind="bad-request")


def given_parameters(
    params: Sequence[object], named: Mapping[str, object] | None
) -> Sequence[object] | Mapping[str, object]:
    """Return the parameters that were given by position or by name.

    Raises:
        BadRequestError: they were given in both ways.
    """
    if params and named is not None:
        text = f"parameters go by position or by name, got {len(params)} and `named`"
        raise BadRequestError(text, kind="bad-parameters")
    return params if named is None else named


def scheduled_payload(
    function: str | bytes, params: Sequence[object] | Mapping[str, object], at: datetime
) -> bytes:
    """Return what is to be sent at a time: the invocation, or bytes as they are.

    Nobody is there to hear of a mistake when it is sent.

    Raises:
        BadRequestError: it is none, or the time has no zone.
    """
    if at.tzinfo is None:
        text = f"at: {at} has no zone; expected a time like datetime.now(UTC) + timedelta(hours=1)"
        raise BadRequestError(text, kind="bad-request")
    if isinstance(function, str) and "(" not in function:
        return encode_call(function, params)
    if isinstance(function, str) or params:
        text = (
            f"{function!r}: expected the name of a function, with its parameters behind it, or a "
            "WAVE call as bytes, with nothing behind it"
        )
        raise BadRequestError(text, kind="bad-request")
    return function


def to_json(value: object, place: str = "") -> Json:
    """Return `value` in the form that invocations take.

    Bytes become `{"base64": …}`, sets sorted arrays, numbers that are none texts, structs,
    dataclasses and dates what msgspec makes of them.

    Raises:
        BadRequestError: it is nothing that JSON can say, with its place.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            # JSON has no numbers for these: as null they would be an option's none.
            return value if math.isfinite(value) else str(value)
        case bytes() | bytearray():
            return {"base64": base64.b64encode(value).decode()}
        case Mapping():
            items = cast("Mapping[object, object]", value).items()
            return {str(key): to_json(item, f"{place}.{key}") for key, item in items}
        case AbstractSet():
            return sorted(str(item) for item in cast("AbstractSet[object]", value))
        case list() | tuple():
            numbered = enumerate(cast("Sequence[object]", value))
            return [to_json(item, f"{place}[{index}]") for index, item in numbered]
        case _:
            try:
                plain = msgspec.to_builtins(value, builtin_types=(bytes, bytearray))
            except TypeError as error:
                raise BadRequestError(
                    f"parameter {place}: {type(value).__name__} has no JSON form",
                    kind="bad-parameters",
                ) from error
            return to_json(plain, place)
