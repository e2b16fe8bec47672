"""Values and types as the flat node lists of `golem:rpc/types`: WIT has no recursive types.

Node 0 is the root, children are indices, parents come before their children. A node list is itself
a component value here (`{"nodes": [("prim-u32", 5)]}`), ready to be passed to a guest.
"""

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, assert_never, cast, final

from wit.checking import check, check_primitive
from wit.errors import ValueMismatchError
from wit.json_readers import HandleNames
from wit.limits import TYPE_DEPTH_MAX, TYPE_SIZE_MAX, VALUE_NODES_MAX
from wit.misfit import Misfit
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
    VariantType,
)
from wit.values import Value

__all__ = [
    "from_value_and_type",
    "from_wit_type",
    "from_wit_value",
    "to_value_and_type",
    "to_wit_type",
    "to_wit_value",
]

_Node: TypeAlias = tuple[str, Value]

# What reading stumbles over where a guest's own type did not see to the shape of the nodes.
_NO_NODES: Final = (TypeError, ValueError, KeyError, IndexError, AttributeError)

_PRIMITIVE_VALUES: Final = {
    primitive: f"prim-{primitive.value}"
    for primitive in Primitive
    if primitive not in {Primitive.F32, Primitive.F64}
} | {Primitive.F32: "prim-float32", Primitive.F64: "prim-float64"}
_PRIMITIVE_TYPES: Final = {primitive: f"prim-{primitive.value}-type" for primitive in Primitive}
_TYPES_OF_NODES: Final = {name: primitive for primitive, name in _PRIMITIVE_TYPES.items()}


def to_wit_value(value: Value, type_: Type, handles: HandleNames | None = None) -> Value:
    """Return the node list of a value.

    Args:
        value: A value of the type.
        type_: Any type whose values can be written down.
        handles: Names handles; a URN that ends in a number is split there. None refuses handles.

    Raises:
        ValueMismatchError: the value has another shape, or a handle has no name.
    """
    nodes: list[_Node] = []
    try:
        _write(value, type_, nodes, handles)
    except Misfit as misfit:
        raise misfit.mismatch() from None
    except (TypeError, ValueError, KeyError, AttributeError):
        check(value, type_)
        raise
    return {"nodes": nodes}


def from_wit_value(wit_value: Value, type_: Type, handles: HandleNames | None = None) -> Value:
    """Return the value of a node list.

    Raises:
        ValueMismatchError: it is no value of the type, or its indices lead nowhere.
    """
    try:
        return _Reader(wit_value, handles).value(0, type_)
    except Misfit as misfit:
        raise misfit.mismatch() from None
    except _NO_NODES as error:
        raise ValueMismatchError(f"no list of value nodes: {error}", path="") from error


def to_wit_type(type_: Type) -> Value:
    """Return the node list of a type, without the names of its declarations.

    Raises:
        ValueMismatchError: the type has no values that could be written down.
    """
    nodes: list[_Node] = []
    try:
        _write_type(type_, nodes)
    except Misfit as misfit:
        raise misfit.mismatch() from None
    return {"nodes": nodes}


def from_wit_type(wit_type: Value) -> Type:
    """Return the type of a node list.

    Raises:
        ValueMismatchError: indices that lead nowhere or in circles, or too large a type.
    """
    try:
        return _TypeReader(wit_type["nodes"]).type(0, 0)
    except Misfit as misfit:
        raise misfit.mismatch() from None
    except _NO_NODES as error:
        raise ValueMismatchError(f"no list of type nodes: {error}", path="") from error


def to_value_and_type(value: Value, type_: Type, handles: HandleNames | None = None) -> Value:
    """Return a value with its type. Errors as for `to_wit_value`."""
    return {"value": to_wit_value(value, type_, handles), "typ": to_wit_type(type_)}


def from_value_and_type(pair: Value, handles: HandleNames | None = None) -> tuple[Value, Type]:
    """Return a value and its type. Errors as for `from_wit_value` and `from_wit_type`."""
    try:
        wit_type, wit_value = pair["typ"], pair["value"]
    except _NO_NODES as error:
        raise ValueMismatchError(f"no value with its type: {error}", path="") from error
    type_ = from_wit_type(wit_type)
    return from_wit_value(wit_value, type_, handles), type_


def _write(value: Value, type_: Type, nodes: list[_Node], handles: HandleNames | None) -> int:
    """Append the nodes of a value and return the index of its root."""
    index = len(nodes)
    if isinstance(type_, Primitive):
        nodes.append((_PRIMITIVE_VALUES[type_], value))
        return index
    # Parents come first, but know the indices of their children only afterwards.
    nodes.append(("", None))

    def child(value: Value, type_: Type) -> int:
        return _write(value, type_, nodes, handles)

    def payload(value: Value, type_: Type | None) -> tuple[int] | None:
        return None if type_ is None else (child(value, type_),)

    match type_:
        case RecordType(fields):
            children = [child(value[field.name], field.type) for field in fields]
            nodes[index] = ("record-value", children)
        case VariantType(cases):
            (number,) = (n for n, case in enumerate(cases) if case.name == value[0])
            nodes[index] = ("variant-value", (number, payload(value[1], cases[number].type)))
        case EnumType(cases):
            nodes[index] = ("enum-value", cases.index(value))
        case FlagsType(labels):
            nodes[index] = ("flags-value", [label in value for label in labels])
        case TupleType(elements):
            pairs = zip(value, elements, strict=True)
            nodes[index] = ("tuple-value", [child(item, element) for item, element in pairs])
        case ListType(element) | FixedListType(element):
            nodes[index] = ("list-value", [child(item, element) for item in value])
        case MapType():
            pair = TupleType((type_.key, type_.value))
            nodes[index] = ("list-value", [child(item, pair) for item in value.items()])
        case OptionType(some):
            nodes[index] = ("option-value", None if value is None else (child(value[0], some),))
        case ResultType(ok, err):
            arm, inner = value
            nodes[index] = ("result-value", (arm, payload(inner, ok if arm == "ok" else err)))
        case Own(resource) | Borrow(resource) if handles is not None:
            nodes[index] = ("handle", _split_urn(handles.urn_of(value, resource)))
        case Own() | Borrow() | FutureType() | StreamType() | ErrorContextType():
            raise Misfit(f"{type_text(type_)} cannot be shown outside")
        case _:
            assert_never(type_)
    return index


def _split_urn(urn: str) -> tuple[Value, int]:
    head, _, number = urn.rpartition("/")
    # Seventeen digits are fewer than any u64 may have: the rest stays in the text.
    if head and number.isascii() and number.isdigit() and len(number) < 18:
        return ({"value": head}, int(number))
    return ({"value": urn}, 0)


@final
class _Reader:
    """Reads one node list, guided by types, so that circles of indices come to an end."""

    def __init__(self, wit_value: Value, handles: HandleNames | None) -> None:
        self._nodes: list[_Node] = wit_value["nodes"]
        self._handles = handles
        self._visits = 0

    def value(self, index: int, type_: Type) -> Value:
        self._visits += 1
        if self._visits > VALUE_NODES_MAX:
            raise Misfit(f"the value has more than {VALUE_NODES_MAX} nodes")
        if not 0 <= index < len(self._nodes):
            raise Misfit(f"node {index} is not there, the list has {len(self._nodes)}")
        kind, content = self._nodes[index]
        match type_, kind:
            case Primitive(), _ if kind == _PRIMITIVE_VALUES[type_]:
                check_primitive(content, type_)
                return content
            case RecordType(fields), "record-value":
                children = self._children(index, content, len(fields), type_)
                return {
                    field.name: self._at(f".{field.name}", child, field.type)
                    for field, child in zip(fields, children, strict=True)
                }
            case VariantType(cases), "variant-value":
                number, inner = cast("tuple[int, tuple[int] | None]", content)
                if number >= len(cases):
                    raise Misfit(f"case {number} of {type_text(type_)} is not there")
                return self._arm(cases[number], inner)
            case EnumType(names), "enum-value" if 0 <= content < len(names):
                return names[cast("int", content)]
            case FlagsType(labels), "flags-value" if len(content) == len(labels):
                pairs = zip(labels, content, strict=True)
                return frozenset(label for label, is_set in pairs if is_set)
            case TupleType(elements), "tuple-value":
                children = self._children(index, content, len(elements), type_)
                return tuple(
                    self._at(f"[{n}]", child, element)
                    for n, (child, element) in enumerate(zip(children, elements, strict=True))
                )
            case ListType(element), "list-value":
                return self._items(content, element)
            case FixedListType(element, length), "list-value" if len(content) == length:
                return self._items(content, element)
            case MapType(), "list-value":
                pair = TupleType((type_.key, type_.value))
                return dict(self._items(content, pair))
            case OptionType(some), "option-value":
                return None if content is None else (self.value(content[0], some),)
            case ResultType(ok, err), "result-value":
                arm, inner = content
                return self._arm(Case(arm, ok if arm == "ok" else err), inner)
            case ((Own() | Borrow()), "handle") if self._handles is not None:
                return self._handle(content, type_, self._handles)
            case _:
                raise Misfit(f"expected {type_text(type_)}, got the node {kind}")

    def _at(self, step: str, index: int, type_: Type) -> Value:
        try:
            return self.value(index, type_)
        except Misfit as misfit:
            raise misfit.within(step) from None

    def _items(self, children: list[int], element: Type) -> Value:
        items = [self._at(f"[{n}]", child, element) for n, child in enumerate(children)]
        return bytes(items) if element is Primitive.U8 else items

    def _children(self, index: int, content: list[int], count: int, type_: Type) -> list[int]:
        if len(content) != count:
            raise Misfit(f"expected {type_text(type_)}, node {index} has {len(content)} parts")
        return content

    def _arm(self, case: Case, inner: tuple[int] | None) -> Value:
        if (inner is None) is not (case.type is None):
            state = "needs a" if inner is None else "has no"
            raise Misfit(f"{case.name} {state} payload")
        if inner is None or case.type is None:
            return (case.name, None)
        return (case.name, self._at(f".{case.name}", inner[0], case.type))

    def _handle(self, content: Value, type_: Own | Borrow, handles: HandleNames) -> Value:
        uri, number = content
        urn = f"{uri['value']}/{number}" if number else uri["value"]
        try:
            return handles.handle_of(urn, type_.resource, borrowed=isinstance(type_, Borrow))
        except ValueError as error:
            raise Misfit(f"no {type_.resource.name} behind {urn}: {error}") from error


def _write_type(type_: Type, nodes: list[_Node]) -> int:
    index = len(nodes)
    if isinstance(type_, Primitive):
        nodes.append((_PRIMITIVE_TYPES[type_], None))
        return index
    nodes.append(("", None))

    def optional(type_: Type | None) -> tuple[int] | None:
        return None if type_ is None else (_write_type(type_, nodes),)

    match type_:
        case RecordType(fields):
            members = [(field.name, _write_type(field.type, nodes)) for field in fields]
            nodes[index] = ("record-type", members)
        case VariantType(cases):
            nodes[index] = ("variant-type", [(case.name, optional(case.type)) for case in cases])
        case EnumType(cases):
            nodes[index] = ("enum-type", list(cases))
        case FlagsType(labels):
            nodes[index] = ("flags-type", list(labels))
        case TupleType(elements):
            nodes[index] = ("tuple-type", [_write_type(each, nodes) for each in elements])
        case ListType(element) | FixedListType(element):
            nodes[index] = ("list-type", _write_type(element, nodes))
        case MapType():
            pair = TupleType((type_.key, type_.value))
            nodes[index] = ("list-type", _write_type(pair, nodes))
        case OptionType(some):
            nodes[index] = ("option-type", _write_type(some, nodes))
        case ResultType(ok, err):
            nodes[index] = ("result-type", (optional(ok), optional(err)))
        case Own() | Borrow():
            # The id of a resource is the host's; outside of it one kind of handle is like another.
            mode = "owned" if isinstance(type_, Own) else "borrowed"
            nodes[index] = ("handle-type", (0, mode))
        case FutureType() | StreamType() | ErrorContextType():
            raise Misfit(f"{type_text(type_)} cannot be described outside")
        case _:
            assert_never(type_)
    return index


@final
class _TypeReader:
    """Reads the node list of a type; nothing guides it, so depth and size are counted."""

    def __init__(self, nodes: list[_Node]) -> None:
        self._nodes = nodes
        self._visits = 0

    def type(self, index: int, depth: int) -> Type:
        self._visits += 1
        if depth > TYPE_DEPTH_MAX or self._visits > TYPE_SIZE_MAX:
            raise Misfit("the type is too large, or contains itself")
        if not 0 <= index < len(self._nodes):
            raise Misfit(f"node {index} is not there, the list has {len(self._nodes)}")
        kind, content = self._nodes[index]
        if kind in _TYPES_OF_NODES:
            return _TYPES_OF_NODES[kind]
        return self._composed(kind, content, depth + 1)

    def _composed(self, kind: str, content: Value, depth: int) -> Type:
        match kind:
            case "record-type":
                fields = [Field(name, self.type(n, depth)) for name, n in content]
                _labels([each.name for each in fields])
                return RecordType(tuple(fields))
            case "variant-type":
                cases = [Case(*each) for each in self._arms(content, depth)]
                _labels([each.name for each in cases])
                return VariantType(tuple(cases))
            case "enum-type":
                return EnumType(_labels(content))
            case "flags-type":
                return FlagsType(_labels(content))
            case "tuple-type":
                return TupleType(tuple(self.type(n, depth) for n in content))
            case "list-type":
                return ListType(self.type(content, depth))
            case "option-type":
                return OptionType(self.type(content, depth))
            case "result-type":
                ok, err = (type_ for _, type_ in self._arms(zip("oe", content, strict=True), depth))
                return ResultType(ok, err)
            case "handle-type":
                resource = ResourceName(f"resource-{content[0]}")
                return Own(resource) if content[1] == "owned" else Borrow(resource)
            case _:
                raise Misfit(f"unknown type node {kind}")

    def _arms(self, content: Value, depth: int) -> Iterator[tuple[str, Type | None]]:
        for name, inner in content:
            yield name, None if inner is None else self.type(inner[0], depth)


def _labels(names: Sequence[str]) -> tuple[str, ...]:
    if not all(isinstance(name, str) for name in names):  # pyright: ignore[reportUnnecessaryIsInstance] - guests are not type-checked
        raise Misfit("expected names, got something else")
    if len(set(names)) != len(names):
        raise Misfit("a name stands there twice")
    return tuple(names)
