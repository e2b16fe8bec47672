"""JSON that says its own type: `{"typ": {"type": "U32"}, "value": 5}`.

Values are written as `wit.json_values` writes them. Types are objects whose `type` says what they
are, in the shapes that Golem's REST interface has for them:

| type | JSON |
|---|---|
| primitives | `Bool`, `S8` … `U64`, `F32`, `F64`, `Chr`, `Str`, without further members |
| `list`, `option` | `List`, `Option` with `inner`; a fixed length as `length` |
| `map` | `Map` with `key` and `value` |
| `tuple` | `Tuple` with `items` |
| `record` | `Record` with `fields`: `name`, `typ` |
| `variant` | `Variant` with `cases`: `name`, `typ` or null |
| `enum`, `flags` | `Enum` with `cases`, `Flags` with `names` |
| `result` | `Result` with `ok` and `err`, null where there is no payload |
| handles | `Handle` with `name`, `resourceId` (0: an id is the host's) and `mode` |

Declared types have their `name`, and their interface as `owner`.

Source: Golem 1.2's REST interface.
"""

from typing import Final, TypeAlias, assert_never, cast

from wit.errors import ValueMismatchError
from wit.json_values import HandleNames, codec_for
from wit.limits import TYPE_DEPTH_MAX
from wit.misfit import Misfit, shown, unknown_name
from wit.type_text import type_text
from wit.types import (
    Borrow,
    Case,
    EnumType,
    ErrorContextType,
    Field,
    FixedListType,
    FlagsType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Own,
    Primitive,
    RecordType,
    ResourceName,
    ResultType,
    StreamType,
    TupleType,
    Type,
    TypeName,
    VariantType,
)
from wit.values import Value

__all__ = ["from_typed_json", "to_typed_json", "type_from_json", "type_to_json"]

_Object: TypeAlias = dict[str, object]

_PRIMITIVES: Final = {
    each: {Primitive.CHAR: "Chr", Primitive.STRING: "Str"}.get(each, each.value.capitalize())
    for each in Primitive
}
_BY_NAME: Final = {name: primitive for primitive, name in _PRIMITIVES.items()}
_KINDS: Final = (
    *_BY_NAME,
    *("List", "Option", "Map", "Tuple", "Record", "Variant", "Enum", "Flags", "Result", "Handle"),
)


def to_typed_json(value: Value, type_: Type, handles: HandleNames | None = None) -> _Object:
    """Return a value with its type, ready for a JSON encoder.

    Raises:
        ValueMismatchError: the value has another shape, or the type has no values to write.
    """
    return {"typ": type_to_json(type_), "value": codec_for(type_, handles).to_json(value)}


def from_typed_json(json: object, handles: HandleNames | None = None) -> tuple[Value, Type]:
    """Return the value and the type that decoded JSON says.

    Raises:
        ValueMismatchError: no such object, no type, or a value of another type; with the path.
    """
    try:
        pair = _object(json)
        type_ = _member(pair, "typ", 0)
    except Misfit as misfit:
        raise misfit.mismatch() from None
    if "value" not in pair:
        raise ValueMismatchError("expected an object with typ and value", path="")
    return codec_for(type_, handles).from_json(pair["value"], root="value"), type_


def type_to_json(type_: Type) -> _Object:
    """Return the JSON of a type.

    Raises:
        ValueMismatchError: it is or contains a future, a stream or an error-context.
    """
    match type_:
        case Primitive():
            return {"type": _PRIMITIVES[type_]}
        case ListType(inner):
            return {"type": "List", "inner": type_to_json(inner)}
        case FixedListType(inner, length):
            return {"type": "List", "inner": type_to_json(inner), "length": length}
        case OptionType(inner):
            return {"type": "Option", "inner": type_to_json(inner)}
        case MapType(key, value):
            return {"type": "Map", "key": type_to_json(key), "value": type_to_json(value)}
        case TupleType(items):
            return {"type": "Tuple", "items": [type_to_json(each) for each in items]}
        case ResultType(ok, err):
            return {"type": "Result", "ok": _optional(ok), "err": _optional(err)}
        case RecordType(fields, name):
            members = [{"name": each.name, "typ": type_to_json(each.type)} for each in fields]
            return {"type": "Record", **_declared(name), "fields": members}
        case VariantType(cases, name):
            arms = [{"name": each.name, "typ": _optional(each.type)} for each in cases]
            return {"type": "Variant", **_declared(name), "cases": arms}
        case EnumType(labels, name):
            return {"type": "Enum", **_declared(name), "cases": list(labels)}
        case FlagsType(labels, name):
            return {"type": "Flags", **_declared(name), "names": list(labels)}
        case Own(resource) | Borrow(resource):
            mode = "Owned" if isinstance(type_, Own) else "Borrowed"
            return {"type": "Handle", **_declared(resource), "resourceId": 0, "mode": mode}
        case FutureType() | StreamType() | ErrorContextType():
            raise ValueMismatchError(f"{type_text(type_)} cannot be described outside", path="")
        case _:
            assert_never(type_)


def type_from_json(json: object) -> Type:
    """Return the type that decoded JSON describes.

    Raises:
        ValueMismatchError: it describes none, with the path of the place, or it nests deeper than
            `TYPE_DEPTH_MAX`.
    """
    try:
        return _type(json, 0)
    except Misfit as misfit:
        raise misfit.mismatch() from None


def _optional(type_: Type | None) -> _Object | None:
    return None if type_ is None else type_to_json(type_)


def _declared(name: TypeName | ResourceName | None) -> _Object:
    if name is None:
        return {}
    declared: _Object = {"name": name.name}
    return declared if name.interface is None else {**declared, "owner": name.interface}


def _object(json: object) -> _Object:
    if not isinstance(json, dict):
        raise Misfit(f"expected an object, got {shown(json)}")
    return cast("_Object", json)


def _member(json: _Object, name: str, depth: int) -> Type:
    if name not in json:
        raise Misfit(f"expected an object with the member {name}, got {shown(json)}")
    try:
        return _type(json[name], depth)
    except Misfit as misfit:
        raise misfit.within(f".{name}") from None


def _optional_member(json: _Object, name: str, depth: int) -> Type | None:
    return None if json.get(name) is None else _member(json, name, depth)


def _type(json: object, depth: int) -> Type:
    if depth > TYPE_DEPTH_MAX:
        raise Misfit(f"the type nests deeper than {TYPE_DEPTH_MAX} levels")
    described = _object(json)
    kind = described.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise Misfit(unknown_name("type", shown(kind), _KINDS))
    depth += 1
    match kind:
        case "List":
            inner = _member(described, "inner", depth)
            length = described.get("length")
            if length is None:
                return ListType(inner)
            if type(length) is not int or not 0 < length < 2**32:
                raise Misfit(f"expected a length, got {shown(length)}").within(".length")
            return FixedListType(inner, length)
        case "Option":
            return OptionType(_member(described, "inner", depth))
        case "Map":
            key, value = _member(described, "key", depth), _member(described, "value", depth)
            if not isinstance(key, Primitive) or key in {Primitive.F32, Primitive.F64}:
                raise Misfit(f"expected a type of keys, got {type_text(key)}").within(".key")
            return MapType(key, value)
        case "Tuple":
            items = _list(described, "items")
            elements = [_item(each, "items", n, depth) for n, each in enumerate(items)]
            return TupleType(tuple(elements))
        case "Result":
            ok = _optional_member(described, "ok", depth)
            return ResultType(ok, _optional_member(described, "err", depth))
        case "Record" | "Variant" | "Enum" | "Flags":
            return _named(kind, described, depth)
        case "Handle":
            return _handle(described)
        case _:
            return _BY_NAME[kind]


def _item(json: object, members: str, index: int, depth: int) -> Type:
    try:
        return _type(json, depth)
    except Misfit as misfit:
        raise misfit.within(f".{members}[{index}]") from None


def _list(json: _Object, name: str) -> list[object]:
    found = json.get(name)
    if not isinstance(found, list):
        raise Misfit(f"expected an array, got {shown(found)}").within(f".{name}")
    return cast("list[object]", found)


def _text(json: _Object, name: str) -> str:
    found = json.get(name)
    if not isinstance(found, str):
        raise Misfit(f"expected a name, got {shown(found)}").within(f".{name}")
    return found


def _labels(json: _Object, name: str) -> tuple[str, ...]:
    labels = _list(json, name)
    if not all(isinstance(each, str) for each in labels) or len(set(labels)) != len(labels):
        raise Misfit("expected names, each once").within(f".{name}")
    return tuple(cast("list[str]", labels))


def _type_name(json: _Object) -> TypeName | None:
    if json.get("name") is None:
        return None
    owner = None if json.get("owner") is None else _text(json, "owner")
    return TypeName(_text(json, "name"), owner)


def _named(kind: str, json: _Object, depth: int) -> Type:
    name = _type_name(json)
    if kind == "Enum":
        return EnumType(_labels(json, "cases"), name)
    if kind == "Flags":
        return FlagsType(_labels(json, "names"), name)
    members = "fields" if kind == "Record" else "cases"
    parts: list[tuple[str, Type | None]] = []
    for index, each in enumerate(_list(json, members)):
        try:
            part = _object(each)
            whole = _member if kind == "Record" else _optional_member
            parts.append((_text(part, "name"), whole(part, "typ", depth)))
        except Misfit as misfit:
            raise misfit.within(f".{members}[{index}]") from None
    if len({part for part, _ in parts}) != len(parts):
        raise Misfit("a name stands there twice").within(f".{members}")
    if kind == "Variant":
        return VariantType(tuple(Case(part, type_) for part, type_ in parts), name)
    return RecordType(tuple(Field(part, type_) for part, type_ in parts if type_ is not None), name)


def _handle(json: _Object) -> Type:
    name = _type_name(json) or TypeName("resource")
    resource = ResourceName(name.name, name.interface)
    match json.get("mode"):
        case "Owned":
            return Own(resource)
        case "Borrowed":
            return Borrow(resource)
        case mode:
            raise Misfit(f"expected Owned or Borrowed, got {shown(mode)}").within(".mode")
