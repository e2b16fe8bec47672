"""JSON Schema of the JSON form of values: what `wit.json_values` reads and writes.

Dialect 2020-12, as OpenAPI 3.1 uses it. Named types become definitions of their own.

Source: docs/VALUES.md.
"""

import re
from typing import Any, Final, TypeAlias, assert_never, final

from wit.json_readers import INTEGER_RANGES
from wit.types import (
    Borrow,
    EnumType,
    ErrorContextType,
    FixedListType,
    FlagsType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Own,
    Primitive,
    RecordType,
    ResultType,
    StreamType,
    TupleType,
    Type,
    TypeName,
    VariantType,
)

__all__ = ["JsonSchemas", "Schema"]

# Documents of a JSON library: whatever the keyword needs.
Schema: TypeAlias = dict[str, Any]

_NULL: Final[Schema] = {"type": "null"}
_F32_MAX: Final = 3.4028234663852886e38
_BASE64: Final = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_KEY: Final = re.compile(r"[^A-Za-z0-9._-]+")


@final
class JsonSchemas:
    """Makes schemas; collects those of named types in `definitions`, by key."""

    def __init__(self, place: str = "#/$defs/") -> None:
        """Make an empty collection; references are `place` and the key."""
        self.definitions: dict[str, Schema] = {}
        self._place = place
        self._keys: dict[Type, str] = {}

    def of(self, type_: Type) -> Schema:
        """Return the schema of a type, a reference for a named one."""
        match type_:
            case (
                RecordType(name=TypeName() as name)
                | VariantType(name=TypeName() as name)
                | EnumType(name=TypeName() as name)
                | FlagsType(name=TypeName() as name)
            ):
                return {"$ref": f"{self._place}{self._key(type_, name)}"}
            case _:
                return self._inline(type_)

    def _key(self, type_: Type, name: TypeName) -> str:
        key = self._keys.get(type_)
        if key is not None:
            return key
        key = name.name
        if key in self.definitions:
            key = _KEY.sub(".", f"{name.interface or 'world'}.{name.name}")
        base, number = key, 2
        while key in self.definitions:
            key, number = f"{base}.{number}", number + 1
        self._keys[type_] = key
        # The place is taken before its parts come, which may have the same name.
        self.definitions[key] = {}
        self.definitions[key] = self._inline(type_)
        return key

    def _inline(self, type_: Type) -> Schema:
        match type_:
            case Primitive():
                return _primitive(type_)
            case RecordType(fields):
                properties = {field.name: self.of(field.type) for field in fields}
                needed = [each.name for each in fields if not isinstance(each.type, OptionType)]
                return _object(properties, needed)
            case VariantType(cases):
                payloads = {case.name: case.type for case in cases}
                bare = [name for name, payload in payloads.items() if payload is None]
                shapes = self._cases(payloads)
                return {"oneOf": [*shapes, *([{"enum": bare}] if bare else [])]}
            case EnumType(names):
                return {"type": "string", "enum": list(names)}
            case FlagsType(labels):
                items: Schema = {"type": "string", "enum": list(labels)} if labels else {"not": {}}
                return {"type": "array", "items": items, "uniqueItems": True}
            case OptionType(OptionType() as inner):
                return {"oneOf": [_object({"some": self.of(inner)}, ["some"]), _NULL]}
            case OptionType(some):
                return {"anyOf": [self.of(some), _NULL]}
            case ResultType(ok, error):
                return {"oneOf": self._cases({"ok": ok, "err": error})}
            case ListType() | FixedListType() | MapType() | TupleType():
                return self._sequence(type_)
            case Own(resource) | Borrow(resource):
                return {"type": "string", "description": f"the URN of a {resource.name}"}
            case FutureType() | StreamType() | ErrorContextType():
                return {"not": {}}
            case _:
                assert_never(type_)

    def _sequence(self, type_: ListType | FixedListType | MapType | TupleType) -> Schema:
        match type_:
            case ListType(element) if element is Primitive.U8:
                encoded = {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}
                array = {"type": "array", "items": self.of(element)}
                return {"oneOf": [_object({"base64": encoded}, ["base64"]), array]}
            case ListType(element):
                return {"type": "array", "items": self.of(element)}
            case FixedListType(element, length) if element is Primitive.U8:
                encoded = {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}
                counted: Schema = {
                    "type": "array",
                    "items": self.of(element),
                    "minItems": length,
                    "maxItems": length,
                }
                return {"oneOf": [_object({"base64": encoded}, ["base64"]), counted]}
            case FixedListType(element, length):
                items = self.of(element)
                return {"type": "array", "items": items, "minItems": length, "maxItems": length}
            case MapType(key, value) if key in {Primitive.STRING, Primitive.CHAR}:
                return {
                    "type": "object",
                    "propertyNames": self.of(key),
                    "additionalProperties": self.of(value),
                }
            case MapType(key, value):
                return {"type": "array", "items": self.of(TupleType((key, value)))}
            case TupleType(elements):
                return {
                    "type": "array",
                    "prefixItems": [self.of(each) for each in elements],
                    "items": False,
                    "minItems": len(elements),
                }

    def _cases(self, payloads: dict[str, Type | None]) -> list[Schema]:
        return [
            _object({name: _NULL if payload is None else self.of(payload)}, [name])
            for name, payload in payloads.items()
        ]


def _object(properties: dict[str, Schema], needed: list[str]) -> Schema:
    required = {"required": needed} if needed else {}
    return {
        "type": "object",
        "properties": properties,
        **required,
        "additionalProperties": False,
    }


def _primitive(type_: Primitive) -> Schema:
    if type_ in INTEGER_RANGES:
        least, most = INTEGER_RANGES[type_]
        return {"type": "integer", "minimum": least, "maximum": most}
    match type_:
        case Primitive.BOOL:
            return {"type": "boolean"}
        case Primitive.CHAR:
            return {"type": "string", "minLength": 1, "maxLength": 1}
        case Primitive.STRING:
            return {"type": "string"}
        case Primitive.F32:
            number: Schema = {"type": "number", "minimum": -_F32_MAX, "maximum": _F32_MAX}
        case _:
            number = {"type": "number"}
    return {"oneOf": [number, {"enum": ["nan", "inf", "-inf"]}]}
