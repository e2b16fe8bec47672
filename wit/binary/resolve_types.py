"""Value and function types with their indices followed.

Every definition becomes an object of its own, so that identity tells two equal definitions apart
when names are given later. Size and depth are bounded, because types are compared, hashed and
walked as trees by everyone.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from wit.binary import types as ast
from wit.binary.limits import TYPE_DEPTH_MAX, TYPE_SIZE_MAX
from wit.binary.names import check_label, folded_label
from wit.errors import BinaryError
from wit.type_walk import walk
from wit.types import (
    Borrow,
    Case,
    EnumType,
    ErrorContextType,
    Field,
    FixedListType,
    FlagsType,
    FunctionType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Own,
    Parameter,
    Primitive,
    RecordType,
    ResourceName,
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
)

__all__ = ["TypeBuilder", "TypeSpace"]


class TypeSpace(Protocol):
    """Follows type indices; both methods raise `BinaryError` at the offset for wrong ones."""

    def value_type(self, index: int, offset: int) -> Type:
        """Return the value type of that index."""
        ...

    def resource_name(self, index: int, offset: int) -> ResourceName:
        """Return the identity of the resource of that index."""
        ...


class TypeBuilder:
    """Builds types and keeps their measures."""

    def __init__(self) -> None:
        # By identity; the type itself is kept so that its id is not given to another one.
        self._measures: dict[int, tuple[int, int, Type]] = {}

    def build(self, definition: ast.DefinedType, space: TypeSpace, offset: int) -> Type:
        """Return a new type for the definition.

        Raises:
            BinaryError: an index is wrong, labels are missing or stand twice, or it is too large.
        """
        type_, parts = self._shape(definition, space, offset)
        self._measure(type_, parts, offset)
        return type_

    def adopt(self, type_: Type, original: Type) -> None:
        """Let a renamed copy have the measure of its original."""
        size, depth, _ = self._measures.get(id(original), (1, 1, original))
        self._measures[id(type_)] = (size, depth, type_)

    def function(
        self, definition: ast.FunctionDefinition, space: TypeSpace, offset: int
    ) -> FunctionType:
        """Return a new function type for the definition."""
        _check_labels((each.name for each in definition.parameters), "parameter", offset)
        result = _optional(definition.result, space, offset)
        if result is not None and any(isinstance(part, Borrow) for part in walk(result)):
            raise BinaryError("a function cannot return a borrowed handle", offset=offset)
        return FunctionType(
            tuple(
                Parameter(each.name, _value(each.type, space, offset))
                for each in definition.parameters
            ),
            result,
            definition.is_async,
        )

    def _measure(self, type_: Type, parts: Sequence[Type | None], offset: int) -> None:
        size = depth = 0
        for part in parts:
            if part is not None:
                part_size, part_depth, _ = self._measures.get(id(part), (1, 1, part))
                size += part_size
                depth = max(depth, part_depth)
        if size + 1 > TYPE_SIZE_MAX or depth + 1 > TYPE_DEPTH_MAX:
            raise BinaryError(
                f"type of {size + 1} parts and {depth + 1} levels, at most {TYPE_SIZE_MAX} and "
                f"{TYPE_DEPTH_MAX} are allowed",
                offset=offset,
            )
        self._measures[id(type_)] = (size + 1, depth + 1, type_)

    def _shape(
        self, definition: ast.DefinedType, space: TypeSpace, offset: int
    ) -> tuple[Type, Sequence[Type | None]]:
        match definition:
            case ast.PlainDefinition():
                return definition.type, ()
            case ast.RecordDefinition():
                return _record(definition, space, offset)
            case ast.VariantDefinition():
                return _variant(definition, space, offset)
            case ast.EnumDefinition():
                _check_labels(definition.cases, "case", offset, at_least=1)
                return EnumType(definition.cases), ()
            case ast.FlagsDefinition():
                _check_labels(definition.labels, "flag", offset, at_least=1)
                return FlagsType(definition.labels), ()
            case ast.TupleDefinition():
                elements = tuple(_value(each, space, offset) for each in definition.elements)
                if not elements:
                    raise BinaryError("tuple without elements", offset=offset)
                return TupleType(elements), elements
            case ast.OwnDefinition():
                return Own(space.resource_name(definition.resource, offset)), ()
            case ast.BorrowDefinition():
                return Borrow(space.resource_name(definition.resource, offset)), ()
            case _:
                return _container(definition, space, offset)


def _value(type_: ast.ValueType, space: TypeSpace, offset: int) -> Type:
    match type_:
        case Primitive() | ErrorContextType():
            return type_
        case index:
            return space.value_type(index, offset)


def _optional(type_: ast.ValueType | None, space: TypeSpace, offset: int) -> Type | None:
    return None if type_ is None else _value(type_, space, offset)


def _record(
    definition: ast.RecordDefinition, space: TypeSpace, offset: int
) -> tuple[Type, Sequence[Type | None]]:
    _check_labels((each.name for each in definition.fields), "field", offset, at_least=1)
    fields = tuple(Field(each.name, _value(each.type, space, offset)) for each in definition.fields)
    return RecordType(fields), [each.type for each in fields]


def _variant(
    definition: ast.VariantDefinition, space: TypeSpace, offset: int
) -> tuple[Type, Sequence[Type | None]]:
    _check_labels((each.name for each in definition.cases), "case", offset, at_least=1)
    cases = tuple(Case(each.name, _optional(each.type, space, offset)) for each in definition.cases)
    return VariantType(cases), [each.type for each in cases]


def _container(
    definition: ast.ListDefinition
    | ast.FixedListDefinition
    | ast.MapDefinition
    | ast.OptionDefinition
    | ast.ResultDefinition
    | ast.FutureDefinition
    | ast.StreamDefinition,
    space: TypeSpace,
    offset: int,
) -> tuple[Type, Sequence[Type | None]]:
    match definition:
        case ast.ListDefinition():
            element = _value(definition.element, space, offset)
            return ListType(element), (element,)
        case ast.FixedListDefinition():
            element = _value(definition.element, space, offset)
            return FixedListType(element, definition.length), (element,)
        case ast.MapDefinition():
            key = _value(definition.key, space, offset)
            value = _value(definition.value, space, offset)
            return MapType(key, value), (key, value)
        case ast.OptionDefinition():
            some = _value(definition.some, space, offset)
            return OptionType(some), (some,)
        case ast.ResultDefinition():
            ok = _optional(definition.ok, space, offset)
            err = _optional(definition.err, space, offset)
            return ResultType(ok, err), (ok, err)
        case ast.FutureDefinition():
            future = _optional(definition.element, space, offset)
            return FutureType(future), (future,)
        case ast.StreamDefinition():
            stream = _optional(definition.element, space, offset)
            return StreamType(stream), (stream,)


def _check_labels(names: Iterable[str], what: str, offset: int, *, at_least: int = 0) -> None:
    # Labels that differ in case or dashes only would collide in many languages.
    seen: set[str] = set()
    for name in names:
        check_label(name, what, offset)
        folded = folded_label(name)
        if folded in seen:
            raise BinaryError(f"{what} {name!r} stands twice", offset=offset)
        seen.add(folded)
    if len(seen) < at_least:
        raise BinaryError(f"type without any {what}", offset=offset)
