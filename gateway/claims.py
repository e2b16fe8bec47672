"""Claims of who asks, in the types that programs need: `request.auth`."""

from collections.abc import Mapping
from typing import cast

from gateway.errors import RequestError
from wit.errors import WitError
from wit.json_values import from_json
from wit.type_text import type_text
from wit.types import ListType, OptionType, RecordType, Type
from wit.values import Value

__all__ = ["read_claim"]


def read_claim(name: str, type_: Type, claims: Mapping[str, object]) -> Value:
    """Return a claim; what a program does not ask for may be there, too.

    Raises:
        RequestError: 403, it is missing or does not fit.
    """
    found = claims.get(name)
    if found is None:
        if isinstance(type_, OptionType):
            return None
        raise _unfit(name, type_, "it is missing")
    try:
        return from_json(_asked_for(found, type_), type_)
    except WitError as error:
        raise _unfit(name, type_, str(error)) from error


def _unfit(name: str, type_: Type, reason: str) -> RequestError:
    detail = f"auth.{name}: expected {type_text(type_)}, {reason}"
    return RequestError(403, "unfit-claims", detail)


def _asked_for(found: object, type_: Type) -> object:
    """Return JSON without the members that a type does not have."""
    match type_:
        case OptionType(some) if found is not None:
            return _asked_for(found, some)
        case ListType(element) if isinstance(found, list):
            return [_asked_for(each, element) for each in cast("list[object]", found)]
        case RecordType(fields) if isinstance(found, dict):
            members = cast("dict[str, object]", found)
            return {
                field.name: _asked_for(members[field.name], field.type)
                for field in fields
                if field.name in members
            }
        case _:
            return found
